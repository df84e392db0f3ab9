# A plan destroys only so many resources.
#
# Counts what the plan destroys, including what it replaces, and tells the first of them.
package statehouse.destroy_limit

import rego.v1

import data.statehouse.plan

deny contains {"msg": sprintf("the plan destroys %d resources, %s; at most %v may go at once: split the change, or have an exception granted", [count(addresses), told, data.parameters.destroy_limit.destroyed_max])} if {
	count(addresses) > data.parameters.destroy_limit.destroyed_max
	told := concat(", ", array.slice(sort(addresses), 0, 5))
}

addresses contains change.address if {
	some changes in plan.destroyed
	some change in changes
}
