from ._minimal_effect import minimal_effect as minimal_effect
from ._next_perturbations import next_perturbations as next_perturbations
from ._power import power as power
