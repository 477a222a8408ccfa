"""Registration of data: fields and what undoes them."""
