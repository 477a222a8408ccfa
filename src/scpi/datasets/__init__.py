"""Public screens, which are downloaded and verified, and simulators with known truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._lazy import attach

if TYPE_CHECKING:
    from scpi.datasets._causal_screen import causal_screen as causal_screen
    from scpi.datasets._gene_programs import gene_programs as gene_programs
    from scpi.datasets._hagai_2018 import hagai_2018 as hagai_2018
    from scpi.datasets._kang_2018 import kang_2018 as kang_2018
    from scpi.datasets._nault_2021 import nault_2021 as nault_2021
    from scpi.datasets._norman_2019 import norman_2019 as norman_2019
    from scpi.datasets._papalexi_2021 import papalexi_2021 as papalexi_2021
    from scpi.datasets._plant_screen import plant_screen as plant_screen
    from scpi.datasets._splat import splat as splat
    from scpi.datasets._splat_benchmark import splat_benchmark as splat_benchmark
    from scpi.datasets._splat_configurations import splat_configurations as splat_configurations
    from scpi.datasets._srivatsan_2020 import srivatsan_2020 as srivatsan_2020
    from scpi.datasets._wessels_2023 import wessels_2023 as wessels_2023
    from scpi.datasets._xor import xor as xor

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "causal_screen": "_causal_screen",
        "gene_programs": "_gene_programs",
        "hagai_2018": "_hagai_2018",
        "kang_2018": "_kang_2018",
        "nault_2021": "_nault_2021",
        "norman_2019": "_norman_2019",
        "papalexi_2021": "_papalexi_2021",
        "plant_screen": "_plant_screen",
        "splat": "_splat",
        "splat_benchmark": "_splat_benchmark",
        "splat_configurations": "_splat_configurations",
        "srivatsan_2020": "_srivatsan_2020",
        "wessels_2023": "_wessels_2023",
        "xor": "_xor",
    },
)
