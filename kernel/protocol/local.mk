# kernel/protocol
