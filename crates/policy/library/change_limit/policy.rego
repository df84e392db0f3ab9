# A plan changes only so many resources.
#
# Counts what the plan creates, changes, replaces, imports or destroys.
package statehouse.change_limit

import rego.v1

import data.statehouse.plan

deny contains {"msg": sprintf("the plan changes %d resources; at most %v may change at once: split the change, or have an exception granted", [count(addresses), data.parameters.change_limit.changed_max])} if {
	count(addresses) > data.parameters.change_limit.changed_max
}

addresses contains change.address if {
	some changes in plan.made
	some change in changes
}

addresses contains change.address if {
	some changes in plan.destroyed
	some change in changes
}
