#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Tests of kernel/tree and kernel/build on a small tree that stands for Linux: that they
# stop, and name what is wrong, when a patch does not apply, when a step does not build
# and when an option is not there in the end. Prints TAP.
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0

check()
{
	n=$((n + 1))
	if eval "$2"; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		sed 's/^/# /' "$work/log"
	fi
}

# A tree with two files. Its "configuration" is the fragment without what no Kconfig
# file has, and its "kernel" does not build with a file that says so.
make_source()
{
	mkdir -p "$work/linux/mm"
	seq 20 >"$work/linux/mm/one.c"
	seq 20 >"$work/linux/mm/two.c"
	printf 'config %s\n\n' A B >"$work/linux/Kconfig"
	cat >"$work/linux/Makefile" <<-'END'
	kernelversion: ; @echo 6.12.0
	kernelrelease: ; @echo 6.12.0$(LOCALVERSION)
	allnoconfig: ; @grep -Ev 'CONFIG_(LOST|NEW)=' $(KCONFIG_ALLCONFIG) >$(O)/.config
	bzImage: ; @! grep -q broken mm/*.c && mkdir -p $(O)/arch/x86/boot && cat mm/*.c >$(O)/arch/x86/boot/bzImage
	END
	tar -C "$work" -cJf "$work/linux.tar.xz" linux
}

# make_patch NAME FILE SED: a patch that makes the edit to the tree as it was left by
# the ones before
make_patch()
{
	cp -r "$work/linux" "$work/b"
	sed -i "$3" "$work/b/$2"
	(cd "$work" && diff -u "linux/$2" "b/$2" | sed -E 's/^(---|\+\+\+) (linux|b)\/([^\t]*).*/\1 \2\/\3/' >"kernel/patches/$1")
	cp -r "$work/b/." "$work/linux/"
	rm -rf "$work/b"
	echo "$1" >>"$work/kernel/series"
}

# doctored COMMAND: a tarball where mm/two.c is not what the series was made for
doctored()
{
	rm -rf "$work/other"
	mkdir "$work/other"
	tar -C "$work/other" -xf "$work/linux.tar.xz"
	(cd "$work/other/linux" && eval "$1")
	tar -C "$work/other" -cJf "$work/doctored.tar.xz" linux
	rm -rf "$work/into"
}

tree()
{
	"$work/kernel/tree" "$@" >"$work/log" 2>&1
}

build()
{
	TMPDIR=$work "$work/kernel/build" --source "$work/linux.tar.xz" --out "$work/out" "$@" >"$work/log" 2>&1
}

mkdir -p "$work/kernel/patches" "$work/kernel/config"
cp "$here/../tree" "$here/../build" "$work/kernel/"
make_source
echo '# the order' >"$work/kernel/series"
make_patch 1.patch mm/one.c 's/^10$/ten/'
make_patch 2.patch mm/two.c 's/^10$/ten/'
make_patch 3.patch mm/one.c 's/^20$/twenty/'

tree --source "$work/linux.tar.xz" --into "$work/into"
check "the whole series applies, and the version is printed" \
	'[ "$(tail -n 1 "$work/log")" = 6.12.0 ] && grep -q twenty "$work/into/mm/one.c"'
rm -rf "$work/into"
tree --source "$work/linux.tar.xz" --into "$work/into" --patches 1
check "--patches 1 applies one" '! grep -q ten "$work/into/mm/two.c" && grep -q ten "$work/into/mm/one.c"'
tree --into "$work/into" --from 1 --patches 2
check "--from 1 --patches 2 applies the next" 'grep -q ten "$work/into/mm/two.c" && ! grep -q twenty "$work/into/mm/one.c"'

doctored 'sed -i "s/^9$/nine/" mm/two.c'
tree --source "$work/doctored.tar.xz" --into "$work/into"
check "a hunk that fails: patch and file are named" 'grep -q "patch 2.patch does not apply to linux 6.12.0: mm/two.c$" "$work/log"'
check "no patch after it is applied" '! grep -q twenty "$work/into/mm/one.c"'
doctored 'rm mm/two.c'
tree --source "$work/doctored.tar.xz" --into "$work/into"
check "a file that is missing: patch and file are named" 'grep -q "patch 2.patch does not apply to linux 6.12.0: mm/two.c$" "$work/log"'
doctored 'sed -i "s/^7$/seven/" mm/two.c'
tree --source "$work/doctored.tar.xz" --into "$work/into"
check "a patch that applies with fuzz is, and is named" \
	'grep -q "patch 2.patch applies to linux 6.12.0 with fuzz" "$work/log" && grep -q twenty "$work/into/mm/one.c"'
doctored 'sed -i "s/^10$/ten/" mm/two.c'
tree --source "$work/doctored.tar.xz" --into "$work/into"
check "a patch that is in already: patch and file are named" 'grep -q "patch 2.patch does not apply to linux 6.12.0: mm/two.c$" "$work/log"'

printf 'CONFIG_A=y\n' >"$work/kernel/frazil.config"
printf '# CONFIG_B is not set\n' >"$work/kernel/config/other.config"
build
check "a kernel is built" '[ -s "$work/out/bzImage" ] && [ "$(cat "$work/out/version")" = 6.12.0-frazil ]'
build --variant other
check "a variant takes its fragment" 'grep -q "CONFIG_B is not set" "$work/out/config"'
build --variant nosuch
check "a variant that is not there is named" 'grep -q "no such variant: nosuch" "$work/log"'
printf 'CONFIG_A=y\nCONFIG_LOST=y\nCONFIG_NEW=y\n' >"$work/kernel/frazil.config"
build
check "options that did not survive are named" 'grep -q "lacks: CONFIG_LOST=y" "$work/log" && grep -q "lacks: CONFIG_NEW=y" "$work/log"'
build --variant unpatched
check "options of the series are not missed without it" '[ -s "$work/out/bzImage" ] && ! grep -q ten "$work/out/bzImage"'

printf '# -- the machine\nCONFIG_A=y\n' >"$work/kernel/frazil.config"
echo 'CONFIG_B=y' >"$work/kernel/config/steps.config"
build --variant steps
check "a kernel for each step is built" '[ "$(cat "$work"/out/0?/version | paste -sd " ")" = "6.12.0-step1 6.12.0-step2 6.12.0-step3" ]'
make_patch 4.patch mm/two.c 's/^1$/broken/'
rm -rf "$work/out"
build --variant steps
check "a step that does not build is named" 'grep -q "with the patches up to 4.patch does not build" "$work/log" && [ -e "$work/out/03" ]'
echo 5.patch >>"$work/kernel/series"
rm -rf "$work/into"
tree --source "$work/linux.tar.xz" --into "$work/into"
check "a patch that the series names and is not there is named" 'grep -q "names patch 5.patch, which is not in patches/" "$work/log"'
echo "1..$n"
