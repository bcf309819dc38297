# SPDX-License-Identifier: GPL-2.0-only
# Entry points. Everything is built in images (images/build) and ends in out/;
# caches are in ~/.cache/frazil.

MAKEFLAGS += --no-print-directory

help:
	@echo "make demo     a Redis container is frozen, dumped and restored, by stock CRIU and"
	@echo "              by Frazil; prints a table that compares them"
	@echo "make check    all tests; the last line counts them"
	@echo "make bench    speed: Frazil against stock CRIU, the series against write-protection"
	@echo "              and against the unpatched kernel; ratios from one run"
	@echo "make kernel   out/kernel/bzImage: Linux 6.12 with kernel/series"
	@echo "make kernel-check   the kernel's own selftests and ours, on four kernels: the series,"
	@echo "              without NUMA balancing, with debugging, and unpatched to compare with"
	@echo "make kernel-steps   each patch of the series builds and boots"
	@echo "make zdtm     CRIU's test suite with Frazil and with stock CRIU, in every mode: many"
	@echo "              hours; goes on where it was cut. test/zdtm/run --help: parts of it"
	@echo "make images   the container images, and out/vm/root.ext4 for the test guest"
	@echo "make lint     formatting, static checks, patch style"
	@echo "make clean    remove out/; the cache in ~/.cache/frazil stays"
	@echo
	@echo "TEST=WORD make check runs the tests with WORD in their name. V=1 shows builds."

deps:
	@images/host-deps

kernel: deps
	@images/build kernel

kernel-check: deps
	@images/build vm
	@kernel/check

kernel-steps: deps
	@images/build vm
	@kernel/steps

images: deps
	@images/build kernel vm redis runtime

demo: deps
	@images/build kernel vm redis
	@test/e2e/demo

check: deps
	@test/run

bench: deps
	@images/build kernel kernel-unpatched vm
	@test/bench/run
	@kernel/bench/run

zdtm: deps
	@images/build kernel vm rwp
	@test/zdtm/run

lint: deps
	@test/lint

clean:
	rm -rf out

.PHONY: help deps kernel kernel-check kernel-steps images demo check bench zdtm lint clean
