# Runs are kept apart from the machine.
#
# Judges how the run is kept apart: the level that is asked for, or nothing passes.
package statehouse.sandbox_level

import rego.v1

deny contains {"msg": sprintf("the run is kept apart at level %s; use a runner at one of %s", [level, concat(", ", data.parameters.sandbox_level.allowed)])} if {
	level := object.get(input, ["sandbox", "level"], "unknown")
	not level in data.parameters.sandbox_level.allowed
}
