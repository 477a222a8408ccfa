from . import splits as splits
from ._accuracy_boxplots import accuracy_boxplots as accuracy_boxplots
from ._compare import compare_predictions as compare_predictions
from ._evaluate import evaluate as evaluate
from ._list_metrics import list_metrics as list_metrics
from ._model_spec import ModelSpec as ModelSpec
from ._noise_ceiling import noise_ceiling as noise_ceiling
from ._summarise import summarise as summarise
