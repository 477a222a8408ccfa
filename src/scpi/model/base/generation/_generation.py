"""Generation of cells by any model of counts."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from scipy import sparse

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._screen._matrix import dense_rows, stack_rows
from scpi._sequence import as_list
from scpi._slots import listed
from scpi.model.base.counts._change import changed_counts, expected_counts
from scpi.model.base.generation._plan import count_measured, read_plan, warn_of_evidence
from scpi.model.base.generation._pooled import pooled_tests
from scpi.model.base.generation._sources import draw_sources, explained_order
from scpi.model.base.training._presets import at_least

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi._groups import Label
    from scpi.model.base.generation._covariates import Covariates, Encoded
    from scpi.model.base.generation._plan import Groups
    from scpi.model.base.generation._rates import Rates
    from scpi.model.base.generation._sources import Sources

    Decoder = Callable[[Tensor, Tensor, Tensor], Rates]

Latent = Literal["posterior", "prior"]
"""Source of the latent units of generated cells."""
GeneratedOutput = Literal["counts", "mean"]
"""Sampled counts, or their expectation."""

# Numbers, cells x genes, that are decoded at a time
_BLOCK = 1 << 23
# Number of training cells for estimating which covariates the latent units depend on
_N_ORDER = 2000
# Minimum expected counts per cell, as 0 has no logarithm
_LEAST = 1e-8


class Generation:
    """Generation of cells of any group, and of counterfactuals of measured cells, by a model of counts.

    Subclasses implement the covariates (``_covariates``), the decoder of latent units under them (``_decoder``), the
    latent units of cells (``_posterior``), and access to the data.
    """

    @abstractmethod
    def _covariates(self) -> Covariates:
        """Covariates of the model, with their categories."""

    @abstractmethod
    def _decoder(self, adata: AnnData | MuData) -> Decoder:
        """Function that decodes latent units, cells x units, under codes and values of :meth:`_covariates`.

        If an effect or a context is estimated from measured cells, cells of ``adata`` may be used.
        """

    @abstractmethod
    def _posterior(
        self, adata: AnnData | MuData, cells: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Means and standard deviations of the latent units of some cells of validated data."""

    @abstractmethod
    def _prior(self, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Latent units of ``n`` cells, drawn from the prior."""

    @abstractmethod
    def _validated(self, adata: AnnData | MuData | None) -> AnnData | MuData:
        """Data with the setup of the training data; the training data if ``None``."""

    @abstractmethod
    def _expression_of(self, adata: AnnData | MuData) -> AnnData:
        """The AnnData of validated data that holds the genes of the model."""

    @abstractmethod
    def _counts_of(self, adata: AnnData | MuData) -> Any:
        """Registered counts of validated data."""

    @abstractmethod
    def _covariates_of(self, adata: AnnData | MuData, cells: NDArray[np.int64] | slice = slice(None)) -> Encoded:
        """Covariates of cells of validated data."""

    @abstractmethod
    def _chosen_cells(
        self, adata: AnnData | MuData, indices: Sequence[int] | NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        """Positions of the requested cells."""

    @property
    @abstractmethod
    def _generator(self) -> Any:
        """The trained model, with its class name, ``module`` and ``train_indices``."""

    @fill
    def generate(
        self,
        plan: pd.DataFrame,
        *,
        latent: Latent = "posterior",
        match: str | Sequence[str] | None = None,
        output: GeneratedOutput = "counts",
        rng: int | np.random.Generator | None = 0,
        batch_size: int | None = None,
    ) -> AnnData:
        """Generate cells of measured or unmeasured groups.

        Each cell has its own latent units, is decoded under the covariates of its group, and its counts are sampled
        from the likelihood of the model. Generated cells thus vary like measured cells, and can be aggregated and
        tested. The covariates of a group may be a combination that was not trained on.

        Models of perturbation screens start from control cells, as :meth:`predict` does, and need a likelihood of
        counts. Generated controls have the mean of the measured controls.

        Parameters
        ----------
        plan
            One row per group, with these columns:

            - each covariate of the model, and ``n_cells``;
            - optionally ``library`` (median total count of a cell) and ``library_sd`` (standard deviation of its
              logarithm, 0 by default). Without ``library``, each cell has the total of a training cell; models of
              screens multiply it by the effect of the perturbation on the total;
            - further columns, such as the donor, which are kept.
        latent
            ``"posterior"``: latent units of training cells, sampled from the posterior of each. ``"prior"``: the prior
            of the model.
        match
            Categorical covariates in which these training cells must match a group, such as the cell type. If ``None``,
            all covariates; for a combination that was not trained on, as many as possible, beginning with those on
            which the latent units depend most.
        output
            ``"counts"``, or the expected counts of each cell, ``"mean"``. Means lack the noise of counts: tests on them
            are not valid.
        %(rng)s
        %(batch_size)s

        Returns
        -------
        AnnData of the cells of the plan, with counts as CSR. ``obs`` has the columns of the plan, and

        `.obs['library']`
            Expected total count of the cell.
        `.obs['source_cell']`
            Training cell whose latent units were sampled, with ``latent="posterior"``.
        `.obs['status']`
            ``"trained"``, ``"unseen combination"``, or ``"unseen"`` if a category has no training cells.
        `.uns['prediction']`
            Name of the model, parameters, and the content of ``X`` (``output``).

        Raises
        ------
        TypeError
            If the plan is not a DataFrame.
        KeyError
            If the plan lacks a covariate or ``n_cells``.
        ValueError
            If a category, perturbation or option is unknown, a number is out of its range, training cells are needed
            but the model was loaded without them, or the likelihood is not one of counts.
        """
        self._check_options(latent=latent, output=output)
        groups = read_plan(plan, self._covariates())
        generator = as_generator(rng)
        adata = self._validated(None)
        cells, status = self._sources(adata, groups, None if match is None else as_list(match), generator)
        obs, row = groups.table(), groups.rows
        covariates = groups.covariates.take(row)
        library = self._totals(adata, cells) if groups.library is None else groups.draw_library(generator)
        if latent == "prior":
            z = self._prior(len(row), generator)
        else:
            z = self._moved(adata, self._drawn_latent(adata, cells, generator), cells, covariates)
            obs[Key.obs.SOURCE_CELL] = self._expression_of(adata).obs_names.to_numpy()[cells].astype(str)
        parts: list[Any] = []
        for block, rates in self._decoded_blocks(adata, z, covariates, batch_size):
            if groups.library is None and rates.growth is not None:
                library[block] *= rates.growth.double().cpu().numpy().ravel()
            if output == "mean":
                parts.append((rates.expected().cpu().numpy() * library[block, None]).astype(np.float32))
            else:
                parts.append(rates.draw(library[block], generator))
        obs[Key.obs.LIBRARY] = library
        obs[Key.obs.STATUS] = pd.Categorical(np.asarray(status)[row])
        x = stack_rows(parts, len(row)) if output == "mean" else sparse.vstack(parts, format="csr")
        params = {"latent": latent} | ({} if match is None else {"match": as_list(match)})
        return self._as_generated(adata, x, obs, output, params)

    @fill
    def counterfactual(
        self,
        adata: AnnData | MuData | None = None,
        *,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        output: GeneratedOutput = "counts",
        rng: int | np.random.Generator | None = 0,
        batch_size: int | None = None,
        **covariates: Any,
    ) -> AnnData:
        """Predict measured cells under other covariates, such as another compound.

        The latent units of a cell are kept. Its counts are thinned for genes whose decoded rate falls, and counts are
        added for genes whose rate rises, as in ``predict`` of the models of perturbations. These models first remove
        the perturbation of a cell, and move a cell to another context by the difference between the controls.

        Parameters
        ----------
        %(cells_adata)s
        %(indices)s
        output
            Sampled ``"counts"``, or their expectation, ``"mean"``.
        %(rng)s
        %(batch_size)s
        **covariates
            New values of covariates by column name, such as ``compound="B"``; the others are kept.

        Returns
        -------
        AnnData of these cells, with the new covariates in ``obs``, and

        `.obs['source_cell']`
            Name of the measured cell.
        `.uns['prediction']`
            Name of the model, parameters, the content of ``X`` (``output``), and the mean of the measured cells.

        Raises
        ------
        ValueError
            If a covariate, category or perturbation is unknown, no covariate is given, or the likelihood is not one of
            counts.
        """
        self._check_options(output=output)
        generator = as_generator(rng)
        known = self._covariates()
        data = self._validated(adata)
        cells = self._chosen_cells(data, indices)
        before = self._covariates_of(data, cells)
        after = known.replace(before, covariates)
        counts = self._counts_of(data)
        z, _ = self._posterior(data, cells)
        parts: list[Any] = []
        pairs = zip(
            self._decoded_blocks(data, z, before, batch_size),
            self._decoded_blocks(data, self._moved(data, z, cells, after), after, batch_size),
            strict=True,
        )
        for (block, old), (_, new) in pairs:
            own = dense_rows(counts, cells[block])
            least = _LEAST / own.shape[1]
            mean = old.expected().clamp(min=least)
            ratio = (new.changed().clamp(min=least) / old.changed().clamp(min=least)).log().double().cpu().numpy()
            expected = mean.double().cpu().numpy() * own.sum(1, keepdims=True)
            change = own, ratio, expected, _inverse_overdispersion(old, own.shape)
            parts.append(expected_counts(*change) if output == "mean" else changed_counts(*change, rng=generator))
        x = stack_rows(parts, len(cells)) if output == "mean" else sparse.vstack(parts, format="csr")
        source = self._expression_of(data)
        obs = source.obs.iloc[cells].drop(
            columns=[name for name in source.obs if str(name).startswith(("_scpi", "_scvi"))]
        )
        for name, value in covariates.items():
            obs[name] = known.column(name, value, len(obs))
        obs[Key.obs.SOURCE_CELL] = source.obs_names.to_numpy()[cells].astype(str)
        params = {"covariates": {name: str(value) for name, value in covariates.items()}}
        made = self._as_generated(data, x, obs, output, params)
        made.uns[Key.uns.PREDICTION][Key.uns.CONTROL_MEAN] = np.asarray(counts[cells].mean(0), dtype=np.float32).ravel()
        return made

    @fill
    def generate_de(
        self,
        plan: pd.DataFrame,
        groupby: str,
        *,
        reference: Label,
        sample_key: str | Sequence[str],
        groups: Label | Sequence[Label] | Literal["all"] = "all",
        n_draws: int = 5,
        latent: Latent = "posterior",
        match: str | Sequence[str] | None = None,
        min_cells: int = 10,
        key_added: str | None = None,
        rng: int | np.random.Generator | None = 0,
        **limma_kwargs: Any,
    ) -> AnnData:
        """Test for differential expression between groups of generated cells, pooled over several draws.

        Cells are generated ``n_draws`` times, aggregated to pseudobulks per sample, and tested by
        :func:`scpi.de.limma`. :func:`scpi.de.pool_draws` pools the tests. It includes the variance between draws, and
        uses the noise of a draw as that of the measured cells on which the model was trained. This holds up to the
        number of measured cells, for which pooled tests are conservative: generating more cells does not add evidence,
        and makes p-values too small. The p-values of groups that were never measured are statements about the model.

        Parameters
        ----------
        plan
            As in :meth:`generate`, with one row for each sample and group.
        groupby
            Column of the plan with the groups to compare, such as the compound.
        reference
            Group to compare with.
        sample_key
            Column or columns with the sample, such as the donor. One of them must be a covariate of the model: samples
            that the model does not distinguish are not replicates.
        groups
            Groups to test; all but the reference if ``"all"``.
        n_draws
            Number of generated sets, at least 2.
        latent, match
            As in :meth:`generate`.
        min_cells
            Minimum number of cells of a sample; smaller samples are excluded.
        %(key_added)s
        %(rng)s
        **limma_kwargs
            Further arguments of :func:`scpi.de.limma`, such as ``covariates``, ``formula`` or ``split_by``.

        Returns
        -------
        Pseudobulks of the samples of all draws, with the number of the draw in ``obs['draw']`` and the tests in
        ``uns['limma' | key_added]``, in the format of :func:`scpi.de.pool_limma`.

        Raises
        ------
        KeyError
            If the plan lacks a column.
        ValueError
            If there are fewer than two draws, the samples are unknown to the model, or as :meth:`generate` and
            :func:`scpi.de.limma`.

        Warns
        -----
        UserWarning
            If the plan asks for more cells of a group than were measured, in the training and validation cells (for
            groups without any: than of any group of the sample), or if it has groups that were never measured.
        """
        key_added = Key.uns.LIMMA if key_added is None else key_added
        self._check_options(output="counts", latent=latent)
        known = self._covariates()
        if not set(as_list(sample_key)) & set(known.names):
            msg = (
                f"`sample_key` names {listed(as_list(sample_key))}, but the covariates of the model are "
                f"{listed(known.names)}: all samples would have the same distribution, and samples that differ "
                "only by the draw are not replicates. Train the model with the donor as a covariate."
            )
            raise ValueError(msg)
        generator = as_generator(rng)

        def draw() -> AnnData:
            return self.generate(plan, latent=latent, match=match, rng=generator)

        self._check_evidence(plan, as_list(sample_key))
        comparison = {"reference": reference, "groups": groups, **limma_kwargs}
        return pooled_tests(draw, n_draws, groupby, as_list(sample_key), min_cells, comparison, key_added=key_added)

    def _check_evidence(self, plan: pd.DataFrame, sample_key: Sequence[str]) -> None:
        """Warn about groups of a plan of which fewer cells were measured than it asks for, or none."""
        known, adata = self._covariates(), self._validated(None)
        groups, seen = read_plan(plan, known), self._training_cells(adata)
        validation = getattr(self._generator, "validation_indices", None)
        if validation is not None and len(seen) < adata.n_obs:
            seen = np.union1d(seen, validation)
        cells = self._covariates_of(adata, seen)
        samples = [column for column, name in enumerate(known.categories) if name in sample_key]
        found = count_measured(
            self._kind_of_cells(groups.covariates), groups.sizes, self._kind_of_cells(cells), samples
        )
        warn_of_evidence(found, [", ".join(row) for row in plan[known.text].astype(str).to_numpy()])

    def _kind_of_cells(self, covariates: Encoded) -> NDArray[np.int64]:
        """Codes in which cells of one group agree, the categorical covariates first."""
        return covariates.codes

    def _check_options(self, *, output: str, latent: str = "posterior") -> None:
        for name, value, allowed in (
            ("output", output, get_args(GeneratedOutput)),
            ("latent", latent, get_args(Latent)),
        ):
            if value not in allowed:
                msg = f"`{name}` must be one of {listed(allowed)}, but is {value!r}."
                raise ValueError(msg)
        self._generator._check_if_trained(warn=False)

    def _training_cells(self, adata: AnnData | MuData) -> NDArray[np.int64]:
        """Training cells; all cells if the model is bound to fewer cells than it was trained on."""
        found = self._generator.train_indices
        known = found is not None and len(found) and np.max(found) < adata.n_obs
        return np.asarray(found if known else np.arange(adata.n_obs), dtype=np.int64)

    def _sources(
        self, adata: AnnData | MuData, groups: Groups, match: Sequence[str] | None, rng: np.random.Generator
    ) -> Sources:
        """Cells of the training data that generated cells start from."""
        trained = self._training_cells(adata)
        codes = self._covariates_of(adata, trained).codes
        found = draw_sources(
            groups.covariates.codes,
            groups.sizes,
            codes,
            names=list(self._covariates().categories),
            match=match,
            order=lambda: self._latent_order(adata, trained, codes),
            rng=rng,
        )
        return found._replace(cells=trained[found.cells])

    def _moved(
        self, adata: AnnData | MuData, z: NDArray[np.float32], cells: NDArray[np.int64], covariates: Encoded
    ) -> NDArray[np.float32]:
        """Latent units of cells under other covariates; unchanged if the decoder reads all covariates."""
        return z

    def _latent_order(
        self, adata: AnnData | MuData, trained: NDArray[np.int64], codes: NDArray[np.int64]
    ) -> Sequence[int]:
        """Categorical covariates, ordered by how much latent units depend on them."""
        some = np.random.default_rng(0).permutation(len(trained))[:_N_ORDER]
        return explained_order(self._posterior(adata, trained[some])[0], codes[some])

    def _drawn_latent(
        self, adata: AnnData | MuData, cells: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Latent units of cells, sampled from their posterior."""
        unique, place = np.unique(cells, return_inverse=True)
        mean, sd = self._posterior(adata, unique)
        return np.asarray(mean[place] + sd[place] * rng.normal(size=(len(cells), mean.shape[1])), dtype=np.float32)

    def _totals(self, adata: AnnData | MuData, cells: NDArray[np.int64]) -> NDArray[np.float64]:
        """Total counts of cells."""
        unique, place = np.unique(cells, return_inverse=True)
        return np.asarray(self._counts_of(adata)[unique].sum(1), dtype=np.float64).ravel()[place]

    @torch.inference_mode()
    def _decoded_blocks(
        self,
        adata: AnnData | MuData,
        z: NDArray[np.float32],
        covariates: Encoded,
        batch_size: int | None,
        decode: Decoder | None = None,
    ) -> Iterator[tuple[slice, Rates]]:
        """Latent units, decoded by :meth:`_decoder` or another decoder, in blocks of cells."""
        module = self._generator.module.eval()
        decode = self._decoder(adata) if decode is None else decode
        n_genes = self._expression_of(adata).n_vars
        step = max(_BLOCK // n_genes, 1) if batch_size is None else at_least(batch_size, 1, "batch_size")
        for start in range(0, len(z), step):
            block = slice(start, start + step)
            yield block, decode(*(torch.from_numpy(part[block]).to(module.device) for part in (z, *covariates)))

    def _as_generated(
        self, adata: AnnData | MuData, x: Any, obs: pd.DataFrame, output: str, params: dict[str, Any]
    ) -> AnnData:
        obs[Key.obs.PREDICTED_OUTPUT] = pd.Categorical([output] * len(obs))
        made = AnnData(X=x, obs=obs, var=self._expression_of(adata).var.copy())
        made.uns[Key.uns.PREDICTION] = {"model": type(self._generator).__name__, "params": params, "output": output}
        return made


def _inverse_overdispersion(rates: Rates, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Inverse overdispersion of each count; that of Poisson counts is large."""
    if rates.theta is None:
        return np.full(shape, 1e6)
    return np.broadcast_to(rates.theta.double().cpu().numpy(), shape)
