from __future__ import annotations

from scpi._scoring._metrics import list_metrics as list_metrics
