from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi.datasets._op3_design import CELL_TYPE, COMPOUND, GROUP, VEHICLE, read_design
from scpi.datasets._simulated import check_numbers, simulated

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData
    from numpy.typing import NDArray

_N_LIBRARIES = 2
"""Plates of each donor, on each of which are half of the compounds."""
_DISPERSION = 5.0
_PER_ROW = 12


class _Effects(NamedTuple):
    """Log2 fold changes, and what they are made of."""

    lfc: NDArray[np.float64]
    """Conditions x genes."""
    activity: NDArray[np.float64]
    """Activity of the programs under each compound, compounds x programs."""
    programs: NDArray[np.float64]
    """Weights of the genes in each cell type, cell types x programs x genes."""


@fill
def op3_like(
    design: pd.DataFrame | str | Path | None = None,
    *,
    n_compounds: int = 40,
    n_genes: int = 1000,
    n_cells: float = 20.0,
    n_vehicle: int = 8,
    n_programs: int = 8,
    effect_size: float = 0.3,
    group_fraction: float = 0.5,
    context_fraction: float = 0.3,
    well_sd: float = 0.1,
    depth: float = 2000.0,
    rng: int | np.random.Generator | None = 0,
) -> AnnData:
    r"""Simulate counts of a compound screen in several cell types and donors, as that of Open Problems (OP3).

    Every compound is in one well per donor, with cells of all cell types, and every plate has wells of the vehicle. The
    log2 fold change of gene `g` under compound `c` in cell type `t` is of low rank:

    .. math:: l_{tcg} = \sum_k a_{ck} \left(\sqrt{1 - \rho}\, w_{kg} + \sqrt{\rho}\, v_{tkg}\right), \qquad
        a_c = e\, s_c \left(\sqrt{h}\, \gamma_{q(c)} + \sqrt{1 - h}\, \epsilon_c\right),

    with `e` the `effect_size`, :math:`\rho` the `context_fraction`, `h` the `group_fraction`, and `q(c)` the chemical
    group of the compound. One gene in ten has a weight in a program; strengths :math:`s_c` are log-normal, so that few
    compounds do much. Cells of a well share noise of their own, plates and donors shift the genes, and strong compounds leave
    fewer cells. Counts are negative binomial.

    Parameters
    ----------
    design
        Table of the measured conditions, or the path of one as CSV: a row per condition with the columns `sm_name` (or
        `drug_name`) and `cell_type`. Groups of compounds are those of the column `chemical_group`, or are found by the
        SMILES in the column `SMILES`, or are drawn. The design is simulated, with all cell types, if `None`.
    n_compounds
        Number of compounds of a simulated design.
    n_genes
        Number of genes.
    n_cells
        Mean number of cells of a cell type in a well.
    n_vehicle
        Number of wells of the vehicle on each plate.
    n_programs
        Rank of the effects.
    effect_size
        Standard deviation of the log2 fold changes that one program gives a gene with weight, under a typical compound.
    group_fraction
        Fraction of the variance of the activities that compounds of a group share.
    context_fraction
        Fraction of the variance of the weights that each cell type has for itself.
    well_sd
        Standard deviation of the logarithms of the factors by which the genes of a cell type differ between wells.
    depth
        Median number of counts of a cell.
    %(rng)s

    Returns
    -------
    Cells x genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs` : :class:`pandas.DataFrame`
        `sm_name` (`"Dimethyl Sulfoxide"` is the vehicle), `cell_type`, `donor_id`, `plate_name`, `well`,
        `chemical_group`, and the other columns of the design.
    `adata.uns['truth']` : :class:`dict`
        `conditions`, a DataFrame in the order of the rows of `lfc` (conditions x genes, log2); `activity` (compounds x
        programs), `compounds`, `programs` (cell types x programs x genes), `cell_types` and `params`.

    Raises
    ------
    ValueError
        If the design lacks a column or repeats a condition, or a number is out of range.

    Examples
    --------
    >>> from scpi.datasets import op3_like
    >>> adata = op3_like(n_compounds=3, n_genes=20, n_cells=2, n_vehicle=1)
    >>> adata.uns["truth"]["lfc"].shape
    (12, 20)
    """
    check_numbers("at least 1", lambda x: x >= 1, n_compounds=n_compounds, n_genes=n_genes, n_vehicle=n_vehicle)
    check_numbers("at least 1", lambda x: x >= 1, n_programs=n_programs)
    check_numbers("above 0", lambda x: x > 0, n_cells=n_cells, depth=depth)
    check_numbers("at least 0", lambda x: x >= 0, effect_size=effect_size, well_sd=well_sd)
    within = {"group_fraction": group_fraction, "context_fraction": context_fraction}
    check_numbers("between 0 and 1", lambda x: (x >= 0) & (x <= 1), **within)
    generator = as_generator(rng)
    table = read_design(design, n_compounds, generator)
    compounds, cell_types = (list(dict.fromkeys(table[name])) for name in (COMPOUND, CELL_TYPE))
    groups = table.drop_duplicates(COMPOUND)[GROUP].to_numpy()
    effects = _plan_effects(
        table, groups, n_genes, n_programs, effect_size, group_fraction, context_fraction, generator
    )
    wells = _plan_wells(table, compounds, n_vehicle)
    counts, obs = _draw(wells, table, effects, n_cells=n_cells, well_sd=well_sd, depth=depth, rng=generator)
    adata = simulated(counts, {name: pd.Categorical(values) for name, values in obs.items()}, {})
    adata.uns[Key.uns.TRUTH] = {
        "conditions": table.set_index(table[CELL_TYPE] + ", " + table[COMPOUND]).astype(str),
        "lfc": effects.lfc,
        "activity": effects.activity,
        "compounds": np.array(compounds, dtype=object),
        "programs": effects.programs,
        "cell_types": np.array(cell_types, dtype=object),
        "params": {"effect_size": effect_size, "well_sd": well_sd, "depth": depth} | within,
    }
    return adata


def _plan_effects(
    table: pd.DataFrame,
    groups: NDArray[np.object_],
    n_genes: int,
    n_programs: int,
    effect_size: float,
    group_fraction: float,
    context_fraction: float,
    rng: np.random.Generator,
) -> _Effects:
    group = pd.Categorical(groups).codes
    compound, cell_type = (pd.factorize(table[name])[0] for name in (COMPOUND, CELL_TYPE))
    of_group = rng.normal(size=(group.max() + 1, n_programs))
    own = rng.normal(size=(len(group), n_programs))
    strength = rng.lognormal(0.0, 0.7, size=len(group))
    activity = np.sqrt(group_fraction) * of_group[group] + np.sqrt(1.0 - group_fraction) * own
    # Most compounds stress cells: what they have in common is what a mean over compounds predicts
    activity[:, 0] = np.abs(activity[:, 0])
    activity *= effect_size * strength[:, None]
    member = rng.random((n_programs, n_genes)) < 0.1
    shared = rng.normal(size=(n_programs, n_genes)) * member
    of_type = rng.normal(size=(cell_type.max() + 1, n_programs, n_genes)) * member
    programs = np.sqrt(1.0 - context_fraction) * shared + np.sqrt(context_fraction) * of_type
    return _Effects(np.einsum("ck,ckg->cg", activity[compound], programs[cell_type]), activity, programs)


def _plan_wells(table: pd.DataFrame, compounds: list[str], n_vehicle: int) -> pd.DataFrame:
    """Every well, with its plate, donor and compound."""
    rows: list[dict[str, Any]] = []
    library = {name: i % _N_LIBRARIES for i, name in enumerate(compounds)}
    for donor in range(1, 4):
        for number in range(_N_LIBRARIES):
            on_plate = [VEHICLE] * n_vehicle + [name for name in compounds if library[name] == number]
            rows += [
                {
                    COMPOUND: name,
                    "donor_id": f"Donor {donor}",
                    "plate_name": f"plate_{_N_LIBRARIES * (donor - 1) + number}",
                    "well": f"{chr(ord('A') + place // _PER_ROW)}{place % _PER_ROW + 1}",
                }
                for place, name in enumerate(on_plate)
            ]
    return pd.DataFrame(rows)


def _draw(
    wells: pd.DataFrame,
    table: pd.DataFrame,
    effects: _Effects,
    *,
    n_cells: float,
    well_sd: float,
    depth: float,
    rng: np.random.Generator,
) -> tuple[sparse.csr_matrix, dict[str, NDArray[Any]]]:
    """Counts of the cells of every well and cell type, and their labels."""
    n_genes, cell_types = effects.lfc.shape[1], list(dict.fromkeys(table[CELL_TYPE]))
    place = {pair: row for row, pair in enumerate(zip(table[CELL_TYPE], table[COMPOUND], strict=True))}
    level = {name: rng.gamma(0.7, 1.0, n_genes) + 0.02 for name in cell_types}
    shift = {
        (what, name): rng.normal(0.0, 0.1, (len(cell_types), n_genes))
        for what in ("donor_id", "plate_name")
        for name in wells[what].unique()
    }
    abundance = dict(zip(cell_types, rng.lognormal(0.0, 0.3, len(cell_types)), strict=True))
    blocks, labels = [], []
    for well, row in enumerate(wells.itertuples(index=False)):
        for t, cell_type in enumerate(cell_types):
            condition = place.get((cell_type, row.sm_name))
            if condition is None and row.sm_name != VEHICLE:
                continue
            lfc = np.zeros(n_genes) if condition is None else effects.lfc[condition]
            mean = n_cells * abundance[cell_type] * np.exp(-0.5 * np.sqrt((lfc**2).mean()))
            n = int(rng.negative_binomial(_DISPERSION, _DISPERSION / (_DISPERSION + mean)))
            batch = shift["donor_id", row.donor_id][t] + shift["plate_name", row.plate_name][t]
            rate = level[cell_type] * np.exp(batch + rng.normal(0.0, well_sd, n_genes)) * 2.0**lfc
            size = depth * rng.lognormal(0.0, 0.4, n)
            expected = (size[:, None] * (rate / rate.sum())).astype(np.float32)
            noisy = expected * rng.standard_gamma(2.0, expected.shape, dtype=np.float32) / 2.0
            blocks.append(sparse.csr_matrix(rng.poisson(noisy).astype(np.float32)))
            labels += [(well, t)] * n
    codes = np.array(labels, dtype=np.int64).reshape(-1, 2)
    obs: dict[str, NDArray[Any]] = {name: wells[name].to_numpy()[codes[:, 0]] for name in wells}
    obs[CELL_TYPE] = np.array(cell_types, dtype=object)[codes[:, 1]]
    described = table.drop_duplicates(COMPOUND).set_index(COMPOUND)
    for name in described.columns.difference([CELL_TYPE, "split", "control"]):
        obs[name] = pd.Series(obs[COMPOUND]).map(described[name]).fillna(VEHICLE).to_numpy()
    return sparse.vstack(blocks, format="csr"), obs
