# A state follows from the one before.
#
# Judges lineage and serial: another lineage is another state, a serial that does not grow an older one.
package statehouse.state_history

import rego.v1

deny contains {"msg": sprintf("the lineage changes from %s to %s; this is another state", [before, after])} if {
	before := input.transition.lineage_before
	after := input.transition.lineage_after
	before != ""
	before != after
}

deny contains {"msg": sprintf("the serial goes from %v to %v; this is an older state", [input.transition.serial_before, input.transition.serial_after])} if {
	input.transition.serial_after < input.transition.serial_before
}
