"""Markers of types of cells from the literature, written down before any ranking of these data was made.

Blood cells: surface markers and products by which the types are known. Haematopoietic progenitors of the mouse: genes of the lineages.
Cell lines of the lung: A549 has a defective KEAP1, so that targets of NRF2 are high, and CPS1 (LKB1 lost); HCC827 has the amplicon of
EGFR at 7p11.2; H2228 the fusion EML4-ALK. For H1975 and H838 nothing was known beforehand that sets them apart.
"""

from __future__ import annotations

MARKERS = {
    "pbmc3k_labelled": {
        "B": ["CD79A", "MS4A1", "CD79B", "CD19", "BANK1", "TCL1A"],
        "NK": ["NKG7", "GNLY", "KLRD1", "PRF1", "GZMB", "KLRF1"],
        "CD14+ Mono": ["LYZ", "S100A8", "S100A9", "CD14", "FCN1", "VCAN"],
        "FCGR3A+ Mono": ["FCGR3A", "MS4A7", "CDKN1C", "LST1", "RHOC"],
        "Platelet": ["PPBP", "PF4", "GP9", "ITGA2B", "GNG11"],
        "DC": ["FCER1A", "CST3", "CD1C", "CLEC10A", "HLA-DQA1"],
        "CD8 T": ["CD8A", "GZMK", "CD8B", "GZMA", "CCL5"],
        "Naive CD4 T": ["CCR7", "LEF1", "TCF7", "SELL"],
        "Memory CD4 T": ["IL7R", "LTB", "S100A4", "IL32", "CD40LG"],
    },
    "paul15": {
        "Ery": ["Hba-a2", "Car1", "Klf1", "Gypa", "Car2", "Blvrb", "Hbb-b1"],
        "Neu": ["Elane", "Mpo", "Prtn3", "Gfi1", "Cebpe"],
        "Mk": ["Pf4", "Itga2b", "Vwf", "Gp9"],
        "Baso": ["Prss34", "Mcpt8", "Cpa3", "Ms4a2"],
        "Eos": ["Prg2", "Epx", "Prg3"],
        "DC": ["Cd74", "Irf8", "H2-Aa", "H2-Ab1"],
        "Mo": ["Ly86", "Ctsg", "Csf1r", "Klf4"],
        "Lymph": ["Flt3", "Il7r", "Dntt", "Rag1"],
    },
    "mixology_sc_celseq2_5cl": {
        "A549": ["AKR1B10", "AKR1C1", "AKR1C2", "AKR1C3", "ALDH1A1", "ALDH3A1", "NQO1", "CPS1"],
        "HCC827": ["EGFR", "SEC61G", "VOPP1", "LANCL2"],
        "H2228": ["ALK"],
    },
}
