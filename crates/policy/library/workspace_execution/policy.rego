# Runs happen where they are watched.
#
# Judges the mode of a workspace when it is saved: a local run is judged by nobody.
package statehouse.workspace_execution

import rego.v1

deny contains {"msg": sprintf("runs are made in mode %s; use one of %s", [mode, concat(", ", data.parameters.workspace_execution.allowed)])} if {
	mode := object.get(input, ["workspace", "execution_mode"], "unknown")
	not mode in data.parameters.workspace_execution.allowed
}
