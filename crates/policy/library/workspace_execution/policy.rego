# Runs happen where they are watched.
#
# Judges the mode of a workspace when it is saved: a local run is judged by nobody.
package statehouse.workspace_execution

import rego.v1

deny contains {"msg": sprintf("runs are made in mode %s; use one of %s", [input.workspace.execution_mode, concat(", ", data.parameters.workspace_execution.allowed)])} if {
	not input.workspace.execution_mode in data.parameters.workspace_execution.allowed
}
