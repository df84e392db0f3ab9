# Runs are about all of a configuration.
#
# Judges runs that are limited to some addresses, or that do not look at what is there: what they leave out is not
# planned.
package statehouse.targeted_run

import rego.v1

deny contains {"msg": sprintf("the run is limited to %s; plan the whole configuration", [concat(", ", input.run.target_addrs)])} if {
	count(input.run.target_addrs) > 0
}

deny contains {"msg": "the run does not refresh the state; plan with refresh"} if input.run.refresh == false
