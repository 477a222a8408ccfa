from ._pseudobulk_result import PseudobulkResult as PseudobulkResult
from ._read import read_screen as read_screen
from ._result import ScreenResult as ScreenResult
from ._run import run_screen as run_screen
from ._run_pseudobulk import run_pseudobulk as run_pseudobulk
from ._zero_control import with_zero_control as with_zero_control
