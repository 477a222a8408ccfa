"""How a screen is labelled."""

from __future__ import annotations

from dataclasses import dataclass

from scpi._screen._labels import Labelling


@dataclass(frozen=True)
class Design:
    """How a screen is labelled: column, control, and what separates the members of a combination."""

    key: str
    control: str
    delimiter: str

    def members(self, label: str) -> tuple[str, ...]:
        """Single perturbations of a label, without the control."""
        return Labelling.of(self.control, self.delimiter).members(label)

    def canonical(self, label: str) -> str:
        """Label with its members in one order."""
        return Labelling.of(self.control, self.delimiter).canonical(label)

    def setup(self) -> dict[str, str]:
        """Arguments of ``setup_anndata``."""
        return {"perturbation_key": self.key, "control": self.control, "delimiter": self.delimiter}
