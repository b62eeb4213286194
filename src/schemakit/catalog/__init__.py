"""What the database looks like: frozen values (`model`), and the SELECTs that read them."""
