from ._read import read_screen as read_screen
from ._result import ScreenResult as ScreenResult
from ._run import run_screen as run_screen
