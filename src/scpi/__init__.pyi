from . import attribution as attribution
from . import benchmark as benchmark
from . import datasets as datasets
from . import de as de
from . import design as design
from . import get as get
from . import metrics as metrics
from . import model as model
from . import pl as pl
from . import screen as screen
from . import tl as tl
from ._settings import settings as settings

__version__: str
