"""What a trained latent shift is used for beside predictions from controls: batches, doses and scores of genes."""

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

        They move by the difference between the shifts at both doses. Where a high dose was measured, low ones are
        predicted from it; dose 0 takes the perturbation away.

        Parameters
        ----------
        adata
            Data with cells under the perturbation; the training data if ``None``.
        perturbation
            Label of the cells to start from.
        dose
            Dose to predict, on the scale of ``dose_key``.
        context
            Start from cells of this context.
        n_cells
            Cells to predict, from as many drawn at random; all, at most 1,000, if ``None``.
        indices
            Cells to start from instead of all that ``adata`` has.
        output
            As in :meth:`predict`.
        rng
            Seed or generator of the draws.

        Returns
        -------
        As :meth:`predict`, with the perturbed cells that were started from in `.obs['source_cell']`, and their mean
        instead of that of controls.

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
            msg = f"`perturbation` must be no control and `dose` a finite number, got {label!r} and {dose}."
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
        """How far cells have gone along the shift of a perturbation.

        Parameters
        ----------
        adata
            Cells, with controls of their contexts unless those were trained on; the training data if ``None``.
        perturbation
            A label: a perturbation or a combination.
        dose
            Dose at which the shift is 1; 1 if ``None``.
        indices
            Cells to take; all if ``None``.

        Returns
        -------
        Array of shape (n_cells,): the projection of the latent units, less their mean in the controls of the context,
        on the shift of the context, in units of its length. The controls have 0 on average, shifted ones 1.

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
        """What the shift of a perturbation does to each gene, by a linear surrogate of the decoder.

        Points drawn uniformly from the box of the latent units of the training cells are decoded, and the expression is
        regressed on them by a ridge regression, with weights inverse to the cosine distance of a point to the shift.
        The score of a gene is the product of its coefficients and the shift.

        Parameters
        ----------
        adata, perturbation, context, dose
            Which shift, as in :meth:`get_shift`.
        normalise
            Divide the coefficients of each latent unit by their length over genes, as published. Scores then no longer
            approximate changes, and units that the decoder hardly reads count as much as others.
        n_samples
            Points to fit on, and as many others to check the fit on.
        penalty
            Penalty of the ridge regression.
        rng
            Seed or generator of the points.

        Returns
        -------
        Table of genes: `score`, the change of the gene on the scale of the expression, and `r2`, the fraction of
        the variance of its decoded expression that the surrogate explains on points it was not fitted to. `attrs["r2"]`
        is the mean of these: where it is low, so is the worth of the scores.

        Raises
        ------
        ValueError
            If the perturbation or the context is unknown, or there is no shift to take.
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
        """Move all batches of a kind of cells to the latent mean of one of them, and decode.

        Parameters
        ----------
        adata
            Cells; the training data if ``None``.
        batch_key
            Column of ``obs`` with the batch of each cell; that of the setup if ``None``.
        within
            Cells of which kind are to have the same mean in all batches: those of a ``"condition"`` in a context, or
            all of a ``"context"`` (as published, where contexts are cell types), perturbed or not.
        reference
            Batch to move to; the one with the most cells if ``None``. Where it has no cells of a kind, it is the
            largest batch that has; a kind of cells in a single batch stays where it is.

        Returns
        -------
        The same cells with corrected expression, `.obs`, `.var`, and the corrected latent units in
        `.obsm['corrected_latent']`.

        Raises
        ------
        KeyError
            If there is no such column.
        ValueError
            If no batch is registered or given, a cell has none, or the reference does not exist.
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
        """What cells become under shifts of their latent units, (n_cells, n_latent), block by block."""
        start = 0
        for x in self._inputs(adata, indices):
            shift = torch.from_numpy(shifts[start : start + len(x)].astype(np.float32)).to(x)
            yield self.module.move(x, shift).cpu().numpy()
            start += len(x)
