"""How a screen is labelled."""

from __future__ import annotations

from dataclasses import dataclass

from scpi._screen._labels import canonical_label, split_label


@dataclass(frozen=True)
class Design:
    """How a screen is labelled: column, control, and what separates the members of a combination."""

    key: str
    control: str
    delimiter: str

    def members(self, label: str) -> tuple[str, ...]:
        """Single perturbations of a label, without the control."""
        return split_label(label, control=self.control, delimiter=self.delimiter)

    def canonical(self, label: str) -> str:
        """Label with its members in one order."""
        return canonical_label(label, control=self.control, delimiter=self.delimiter)

    def setup(self) -> dict[str, str]:
        """Arguments of ``setup_anndata``."""
        return {"perturbation_key": self.key, "control": self.control, "delimiter": self.delimiter}
