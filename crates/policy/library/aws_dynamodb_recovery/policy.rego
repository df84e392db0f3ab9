# Tables can be brought back to a point in time.
#
# Judges point_in_time_recovery of aws_dynamodb_table; it is off by default.
package statehouse.aws_dynamodb_recovery

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "the table cannot be brought back to a point in time; set point_in_time_recovery { enabled = true }") if {
	some change in plan.made.aws_dynamodb_table
	not recovers(change)
}

recovers(change) if {
	some block in plan.blocks(change, "point_in_time_recovery")
	block.enabled == true
}
