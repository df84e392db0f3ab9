# A state does not lose many resources at once.
#
# Judges how many resources a state has after the change: one that lost most of them was perhaps overwritten by mistake.
package statehouse.state_shrink

import rego.v1

deny contains {"msg": sprintf("the state loses %v of %v resources; at most %v%% may go at once: see whether it is the right state, or have an exception granted", [lost, before, data.parameters.state_shrink.percent_max])} if {
	before := input.transition.resources_before
	lost := before - input.transition.resources_after
	lost >= data.parameters.state_shrink.resources_min
	lost * 100 > before * data.parameters.state_shrink.percent_max
}
