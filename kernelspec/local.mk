# The kernelspec: found by any Jupyter under the same prefix. kernel.json is
# written at install time, for it names the installed program.
kernelspecdir = $(jupyterkernelsdir)/rustorch
kernelspec_logos = \
	%reldir%/logo-32x32.png %reldir%/logo-64x64.png %reldir%/logo-svg.svg
dist_kernelspec_DATA = $(kernelspec_logos)
EXTRA_DIST += %reldir%/draw_logo.py %reldir%/kernel.json.in

install-data-local:
	$(MKDIR_P) '$(DESTDIR)$(kernelspecdir)'
	$(AM_V_GEN)$(SED) -e 's,[@]bindir[@],$(bindir),' \
		'$(srcdir)/kernelspec/kernel.json.in' \
		> '$(DESTDIR)$(kernelspecdir)/kernel.json'

uninstall-local:
	rm -f '$(DESTDIR)$(kernelspecdir)/kernel.json'
