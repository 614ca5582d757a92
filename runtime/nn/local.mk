libruntime_la_SOURCES += \
	%D%/checkpoint.c \
	%D%/data.h \
	%D%/dataset.c \
	%D%/file.c \
	%D%/fit.c \
	%D%/forward.c \
	%D%/init.c \
	%D%/init.def \
	%D%/json.c \
	%D%/json.h \
	%D%/layer_init.c \
	%D%/layers.c \
	%D%/layers.def \
	%D%/loader.c \
	%D%/module.c \
	%D%/module.h \
	%D%/optim.c \
	%D%/optim.def \
	%D%/optim.h \
	%D%/optim_access.c \
	%D%/optim_loops.h %D%/optim_wide.h \
	%D%/optim_step.c \
	%D%/optim_update.c \
	%D%/recurrent.c \
	%D%/recurrent.h \
	%D%/recurrent_fused.c \
	%D%/recurrent_steps.c \
	%D%/repr.c \
	%D%/schedule.c \
	%D%/schedule.def \
	%D%/spatial.c \
	%D%/target.c \
	%D%/target.h \
	%D%/values.c

# Compiled once per instruction set, with the ops' kernels.
ops_kernels += %D%/optim_kernels.c
