"""Every name under which scpi stores something in an AnnData, written once."""

from __future__ import annotations

from typing import Final


class Key:
    """Names of AnnData slots, one nested class for each slot."""

    class obs:
        """Columns of ``adata.obs``."""

        PERTURBATION: Final = "perturbation"
        """Label of the perturbation of a cell: ``"A"``, a combination ``"A+B"``, or the control."""
        CONTEXT: Final = "context"
        """Cell type, donor, species or condition: what a prediction transfers across."""
        GROUP: Final = "group"
        """Group of a simulated cell."""
        BATCH: Final = "batch"
        """Batch of a simulated cell."""
        DEPTH: Final = "depth"
        """Expected total count of a simulated cell."""
        DOSE: Final = "dose"
        """Dose of the perturbation."""
        SOURCE_CELL: Final = "source_cell"
        """Name of the control cell that a predicted cell started from."""
        STATUS: Final = "status"
        """How a predicted perturbation relates to the training data: trained, unseen combination, held out."""
        N_CELLS: Final = "n_cells"
        """Number of cells whose counts a sample sums."""
        CLUSTER: Final = "cluster"
        """Cluster of a cell, found by a network; the embedding is ``obsm["X_cluster"]``."""
        CONDITION: Final = "_scpi_condition"
        """Integer code of the perturbation label, written by the perturbation field of the models."""

    class obsm:
        """Entries of ``adata.obsm``."""

        PATHWAY_ACTIVITY: Final = "pathway_activity"
        """Activity of every gene set, cells x sets."""
        EXOGENOUS: Final = "exogenous"
        """Exogenous noise of the causal factors, cells x factors."""
        CAUSAL: Final = "causal"
        """Values of the causal factors, cells x factors."""
        PROGRAMS: Final = "programs"
        """True activity of every simulated gene program, cells x programs."""

    class layers:
        """Entries of ``adata.layers``."""

        TRAIN: Final = "train"
        """Ending of the part of thinned counts to find groups or train models on."""
        TEST: Final = "test"
        """Ending of the part of thinned counts to test on."""

    class var:
        """Columns of ``adata.var``."""

        OVERDISPERSION: Final = "overdispersion"
        """Ending of the overdispersion at which counts were thinned."""
        BASE_MEAN: Final = "base_mean"
        """Mean of a simulated gene before groups, programs, batches and depth."""

    class varm:
        """Entries of ``adata.varm``."""

        GENE_SETS: Final = "gene_sets"
        """Membership of the genes in gene sets, genes x sets."""
        DE_FACTOR: Final = "de_factor"
        """Factor by which a simulated group multiplies the mean of a gene, genes x groups."""
        LOG2FC_REST: Final = "log2fc_rest"
        """True log2 fold change of a simulated group against the others, genes x groups."""
        BATCH_FACTOR: Final = "batch_factor"
        """Factor by which a simulated batch multiplies the mean of a gene, genes x batches."""
        PROGRAMS: Final = "programs"
        """True weight of every gene in every simulated program, genes x programs."""
        SALIENCY: Final = "saliency"
        """Mean attribution of every latent unit to every gene, genes x units."""
        SALIENCY_ABS: Final = "saliency_abs"
        """Mean absolute attribution of every latent unit to every gene, genes x units."""
        SALIENCY_GROUPS: Final = "saliency_groups"
        """Mean attributions within groups of cells, genes x units x groups."""
        CONSENSUS_PROGRAMS: Final = "consensus_programs"
        """Gene programs that several runs agree on, genes x programs."""
        CHANGE_PREDICTED: Final = "change_predicted"
        """Predicted change of expression against the control, genes x perturbations."""
        CHANGE_REAL: Final = "change_real"
        """Measured change of expression against the control, genes x perturbations."""

    class uns:
        """Entries of ``adata.uns``."""

        GENE_SETS: Final = "gene_sets"
        """Names, sizes and coverage of the gene sets."""
        PATHWAY_ACTIVITY: Final = "pathway_activity"
        """Names of the sets in ``obsm["pathway_activity"]`` and the parameters."""
        DIFFERENTIAL_ACTIVITY: Final = "differential_activity"
        """Tests of gene-set activity of every perturbation against the control."""
        RANK_GENES: Final = "rank_genes_groups"
        """Tests of every gene in every group, in the structure of scanpy."""
        RANK_GENES_GRADIENTS: Final = "rank_genes_gradients"
        """Genes of every group by the gradients of a network, in the same structure."""
        RANK_GENES_SHAP: Final = "rank_genes_shap"
        """Genes of every group by their Shapley values in a classifier, in the same structure."""
        RANK_GENES_PERMUTATION: Final = "rank_genes_permutation"
        """Genes of every group by what a classifier loses when they are shuffled, in the same structure."""
        LIMMA: Final = "limma"
        """Tests of limma-voom in the same structure, with the trend of voom."""
        CAUSAL_GRAPH: Final = "causal_graph"
        """Edges, factors and targets of a causal model."""
        SALIENCY: Final = "saliency"
        """Latent units and groups of the attributions in ``varm``, and how they were found."""
        GENE_SET_IMPACT: Final = "gene_set_impact"
        """Impact of every gene set on every latent unit, and whether it is more than chance."""
        UNIT_ANNOTATION: Final = "unit_annotation"
        """Gene set that each latent unit stands for."""
        IMPACT_CONTRAST: Final = "impact_contrast"
        """Difference of the impact of gene sets on latent units between two groups of cells."""
        CONSENSUS_PROGRAMS: Final = "consensus_programs"
        """How often the programs in ``varm`` of the same name were found, and from which units."""
        PREDICTION: Final = "prediction"
        """How cells were predicted, and how well."""
        CONTROL_MEAN: Final = "control_mean"
        """Entry of ``uns["prediction"]``: mean expression of the control cells that predictions started from."""
        TRUTH: Final = "truth"
        """What a simulator planted."""
        THINNED: Final = "thinned"
        """How counts were split into a train and a test part."""
