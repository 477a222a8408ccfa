from ._dose_subsets import dose_subsets as dose_subsets
from ._leave_combinations_out import leave_combinations_out as leave_combinations_out
from ._leave_conditions_out import leave_conditions_out as leave_conditions_out
from ._leave_context_out import leave_context_out as leave_context_out
from ._leave_doses_out import leave_doses_out as leave_doses_out
from ._leave_perturbations_out import leave_perturbations_out as leave_perturbations_out
from ._random_cells import random_cells as random_cells
from ._split import Split as Split
