"""Models of tables of conditions x genes, such as signed log p-values of every compound in every cell type."""

from scpi.model.conditions._model import ConditionModel as ConditionModel
