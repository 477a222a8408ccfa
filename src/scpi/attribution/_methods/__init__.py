"""Methods of attribution, one file each; `scpi.attribution._registry` finds them."""
