# What a script finds when the dump is done is all there will be.
. "$(dirname "$0")/lib.sh"
cat >sums.sh <<'END'
#!/bin/sh
[ "$CRTOOLS_SCRIPT_ACTION" = post-dump ] || exit 0
cd "$CRTOOLS_IMAGE_DIR" && sha256sum *.img >"$SUMS"
END
chmod +x sums.sh
advice_start none
for freezer in ${FREEZERS:-deactivate fork wp}; do
	export SUMS=$PWD/sums-$freezer
	FRAZIL_FREEZE=$freezer dump $freezer --leave-running --action-script "$PWD/sums.sh"
	must grep -q mm- "$SUMS"
	(cd $freezer && must sha256sum --quiet -c "$SUMS")
done
kill_task
