"""Cells drawn from models of perturbation screens, which start from control cells."""
