# The verifier of the tests above finds whatever is wrong with a page of any kind, in any
# process.
. "$(dirname "$0")/lib.sh"
must "$BIN/shapes" --self-test --dir "$PWD" --count 100 --areas "$("$BIN/shapes" --kinds | paste -sd,)"
for process in 0 1 2 4; do
	mkdir $process
	cd $process
	shapes_start anon,shared --children --corrupt anon:byte:$process
	shapes_round
	pages_ask USR2
	[[ $answer == "verify 1 bad 1 first process $process area anon page "* ]] || fail "not found: $answer"
	kill -TERM "$pid"
	cd ..
done
