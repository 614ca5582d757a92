# Teaching notebooks and the small data they use.
dist_pkgdata_DATA = %D%/data/digits.rustorch
EXTRA_DIST += %D%/data/README.md %D%/01_quickstart.ipynb %D%/02_magic.ipynb
