"""Numbers of cells and library sizes of groups of cells."""

from scpi.model.composition._model import CompositionModel as CompositionModel
