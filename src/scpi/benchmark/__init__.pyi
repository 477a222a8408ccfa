from . import splits as splits
from ._accuracy_boxplots import accuracy_boxplots as accuracy_boxplots
from ._compare import compare_predictions as compare_predictions
from ._evaluate import evaluate as evaluate
from ._model_spec import ModelSpec as ModelSpec
from ._summarise import summarise as summarise
