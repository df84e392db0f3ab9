# Tags have the values that are allowed.
#
# Judges the values of the tags that it is told of, wherever they are given. A tag that is missing or not known yet is
# not judged.
package statehouse.tag_values

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, sprintf("the tag %s is %s; use one of %s", [tag, value, concat(", ", patterns)])) if {
	some changes in plan.made
	some change in changes
	some name in ["tags_all", "tags", "effective_labels", "labels"]
	some tag, patterns in data.parameters.tag_values.allowed
	value := plan.value(change, [name, tag])
	is_string(value)
	not plan.is_like_any(value, patterns)
}
