"""Further uses of a trained latent shift: doses, pseudo-doses, scores of genes and removal of batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import torch
from anndata import AnnData

from scpi._keys import Key
from scpi._rng import as_generator
from scpi._screen._checks import as_indices
from scpi._screen._matrix import stack_rows
from scpi._slots import read_labels
from scpi.model.base._constants import KEYS
from scpi.model.base.prediction._predict import draw_cells
from scpi.model.base.training._presets import at_least
from scpi.model.latent_shift._batches import batch_shifts
from scpi.model.latent_shift._gene_scores import linear_surrogate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mudata import MuData
    from numpy.typing import NDArray

    from scpi.model.base.counts._output import Output
    from scpi.model.base.prediction._latent_shift_mixin import LatentShiftMixin as Host
else:
    Host = object


class ShiftAnalysisMixin(Host):
    """Uses of a trained latent shift: other doses, scores of cells and genes, removal of batches."""

    def predict_dose(
        self,
        adata: AnnData | MuData | None = None,
        *,
        perturbation: str,
        dose: float,
        context: str | None = None,
        n_cells: int | None = None,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        output: Output | None = None,
        rng: int | np.random.Generator | None = 0,
    ) -> AnnData:
        """Predict what perturbed cells would have been at another dose.

        Cells are moved by the difference between the shifts at the two doses, for example to predict low doses from a
        measured high dose. Dose 0 removes the perturbation.

        Parameters
        ----------
        adata
            Data with cells under the perturbation; the training data if ``None``.
        perturbation
            Label of the cells to start from.
        dose
            Dose to predict, on the scale of ``dose_key``.
        context
            Context of the cells to start from.
        n_cells
            Number of cells to predict, from as many cells drawn at random. If ``None``, all, at most 1,000.
        indices
            Cells to start from instead of all that ``adata`` has.
        output
            As in :meth:`predict`.
        rng
            Seed or generator of the draws.

        Returns
        -------
        As :meth:`predict`, but `.obs['source_cell']` contains the perturbed cells from which predictions started, and
        their mean is stored instead of the mean of controls.

        Raises
        ------
        ValueError
            If the perturbation or the context is unknown, or there is no cell to start from.
        """
        self._check_if_trained(warn=False)
        adata = self._validate_anndata(adata)
        label = self.canonical(perturbation)
        self._check_context(adata, context)
        if label == self.control_ or not np.isfinite(dose):
            msg = f"`perturbation` must not be a control, and `dose` must be finite, got {label!r} and {dose}."
            raise ValueError(msg)
        wanted = self.encode_perturbations([label], [dose])
        generator = as_generator(rng)
        labelled = self._labelled_cells(adata, label, context=context, indices=indices)
        cells = draw_cells(labelled, n_cells, generator)
        design, codes = self._conditions(adata)
        shifts = self._shifts(adata, cells, np.tile(wanted, (len(cells), 1)))
        expression = self._moved(adata, cells, shifts - self._shifts(adata, cells, design[codes[cells]]))
        source = self._source(adata, labelled, output)
        made = self._drawn_with_means(adata, cells, expression, source, rng=generator)
        return self._assemble(adata, [label], [cells], [made], source, context=context, dose=dose)

    def pseudo_dose(
        self,
        adata: AnnData | MuData | None = None,
        *,
        perturbation: str,
        dose: float | None = None,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
    ) -> NDArray[np.float64]:
        """Compute how far cells have moved along the shift of a perturbation.

        Parameters
        ----------
        adata
            Cells, with controls of their contexts unless these were trained on; the training data if ``None``.
        perturbation
            A label: a perturbation or a combination.
        dose
            Dose at which the shift is 1; 1 if ``None``.
        indices
            Cells to take; all if ``None``.

        Returns
        -------
        Array of shape (n_cells,): the projection of the latent units, centred on the controls of the context, on the
        shift of the context, in units of its length. Controls have 0 on average, and cells moved by the full shift 1.

        Raises
        ------
        ValueError
            If the perturbation is unknown, or the shift is zero.
        """
        self._check_if_trained(warn=False)
        adata = self._validate_anndata(adata)
        cells = as_indices(indices, adata.n_obs)
        design = self.encode_perturbations([perturbation], None if dose is None else [dose])
        shifts = self._shifts(adata, cells, np.tile(design, (len(cells), 1)))
        length = np.square(shifts).sum(1)
        if not length.all():
            msg = f"The shift of {perturbation!r} at dose {1.0 if dose is None else dose} is zero: it has no direction."
            raise ValueError(msg)
        moved = self.get_latent_representation(adata, indices=cells) - self._latent_controls(adata, cells)
        return np.asarray((moved * shifts).sum(1) / length)

    def gene_scores(
        self,
        adata: AnnData | MuData | None = None,
        *,
        perturbation: str,
        context: str | None = None,
        dose: float | None = None,
        normalise: bool = False,
        n_samples: int = 20_000,
        penalty: float = 1.0,
        rng: int | np.random.Generator | None = 0,
    ) -> pd.DataFrame:
        """Score the effect of a shift on each gene, by a linear surrogate of the decoder.

        Points are drawn uniformly from the range of the latent units of the training cells, and decoded. A ridge
        regression of the expression on these points weights each point by the inverse of its cosine distance to the
        shift. The score of a gene is the product of its coefficients and the shift.

        Parameters
        ----------
        adata, perturbation, context, dose
            The shift, as in :meth:`get_shift`.
        normalise
            Whether to divide the coefficients of each latent unit by their norm over genes, as published. Scores then
            no longer approximate changes, and units that the decoder hardly uses count as much as others.
        n_samples
            Number of points to fit on, and of further points to test the fit on.
        penalty
            Penalty of the ridge regression.
        rng
            Seed or generator of the points.

        Returns
        -------
        Table of genes: `score`, the change of the gene on the scale of the expression, and `r2`, the fraction of
        the variance of its decoded expression that the surrogate explains on test points. `attrs["r2"]` is the mean of
        `r2`. Scores are unreliable if it is low.

        Raises
        ------
        ValueError
            If the perturbation or the context is unknown, or no shift can be computed.
        """
        shift = self.get_shift(adata, perturbation=perturbation, context=context, dose=dose)
        module, kept = self.module.eval(), self.module.kept

        @torch.inference_mode()
        def decode(z: NDArray[np.float64]) -> NDArray[np.float64]:
            points = torch.from_numpy(z.astype(np.float32)).to(module.device)
            return module.decode(points).cpu().double().numpy()

        coefficients, r2 = linear_surrogate(
            decode,
            least=kept.array("latent_least"),
            most=kept.array("latent_most"),
            direction=shift,
            n_samples=at_least(n_samples, 2, "n_samples"),
            penalty=penalty,
            rng=as_generator(rng),
        )
        if normalise:
            coefficients = coefficients / np.linalg.norm(coefficients, axis=1, keepdims=True)
        table = pd.DataFrame({"score": shift @ coefficients, "r2": r2}, index=pd.Index(self.var_names_))
        table.attrs["r2"] = float(r2.mean())
        return table

    def remove_batch(
        self,
        adata: AnnData | MuData | None = None,
        *,
        batch_key: str | None = None,
        within: Literal["condition", "context"] = "condition",
        reference: str | None = None,
    ) -> AnnData:
        """Move all batches to the latent mean of a reference batch, group by group, and decode.

        Parameters
        ----------
        adata
            Cells; the training data if ``None``.
        batch_key
            Column of ``obs`` with the batch of each cell; that of the setup if ``None``.
        within
            Groups of cells whose means are aligned between batches: each ``"condition"`` in a context, or each whole
            ``"context"``, perturbed or not (as published, with cell types as contexts).
        reference
            Batch to move to; the one with the most cells if ``None``. If it has no cells of a group, the largest batch
            that has some is used. A group in a single batch is left unchanged.

        Returns
        -------
        The same cells with corrected expression, `.obs`, `.var`, and the corrected latent units in
        `.obsm['corrected_latent']`.

        Raises
        ------
        KeyError
            If the column does not exist.
        ValueError
            If no batch is registered or given, a cell has no batch, or the reference does not exist.
        """
        self._check_if_trained(warn=False)
        adata = self._validate_anndata(adata)
        column = batch_key or self.registry["setup_args"].get("batch_key")
        if column is None:
            msg = "There are no batches: give `batch_key`, here or to `setup_anndata`."
            raise ValueError(msg)
        if within not in ("condition", "context"):
            msg = f"`within` must be 'condition' or 'context', got {within!r}."
            raise ValueError(msg)
        batches = read_labels(
            adata, column, mod=self.registry["field_registries"][KEYS.X]["data_registry"].get("mod_key")
        )
        if (batches.codes < 0).any():
            msg = f"{int((batches.codes < 0).sum())} cells have no label in `obs[{column!r}]`."
            raise ValueError(msg)
        if reference is not None and reference not in batches.categories:
            msg = f"`reference` must be a batch of {list(batches.categories)}, got {reference!r}."
            raise ValueError(msg)
        kind = [self._context_codes(adata)]
        if within == "condition":
            kind.append(self._conditions(adata)[1])
        z = self.get_latent_representation(adata).astype(np.float64)
        shifts = batch_shifts(
            z,
            np.unique(np.column_stack(kind), axis=0, return_inverse=True)[1].reshape(-1),
            batches.codes.astype(np.int64),
            reference=None if reference is None else int(batches.categories.get_loc(reference)),
        )
        corrected = AnnData(
            X=stack_rows(self._moved(adata, np.arange(adata.n_obs), shifts), adata.n_obs),
            obs=self._modality(adata).obs.copy(),
            var=self._var(adata).copy(),
        )
        corrected.obsm[Key.obsm.CORRECTED_LATENT] = (z + shifts).astype(np.float32)
        return corrected

    @torch.inference_mode()
    def _moved(
        self, adata: AnnData | MuData, indices: NDArray[np.int64], shifts: NDArray[np.float64]
    ) -> Iterator[NDArray[np.float32]]:
        """Expression of cells after shifts of their latent units, (n_cells, n_latent), block by block."""
        start = 0
        for x in self._inputs(adata, indices):
            shift = torch.from_numpy(shifts[start : start + len(x)].astype(np.float32)).to(x)
            yield self.module.move(x, shift).cpu().numpy()
            start += len(x)
