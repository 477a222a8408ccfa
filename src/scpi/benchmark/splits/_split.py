from __future__ import annotations

from scpi._screen._split import Split as Split
