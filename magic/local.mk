# magic
