# Tags have the values that are allowed.
#
# Judges the values of the tags that it is told of, wherever they are given. A tag that is missing or not known yet is
# not judged.
package statehouse.tag_values

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.tag_values

deny contains plan.denial(change, sprintf("the tag %s is %s; use one of %s", [tag, value, concat(", ", parameters.allowed[tag])])) if {
	some tag, values in denied
	some changes in plan.made
	some change in changes
	some name in names
	given := change.change.after[name]
	value := given[tag]
	value in values
}

names := ["tags_all", "tags", "effective_labels", "labels"]

# The values that are not allowed, by tag: every value is looked at once.
denied[tag] := values if {
	some tag, patterns in parameters.allowed
	values := plan.unlike(used[tag], patterns)
	count(values) > 0
}

used[tag] contains value if {
	some tag, _ in parameters.allowed
	some changes in plan.made
	some change in changes
	some name in names
	given := change.change.after[name]
	value := given[tag]
}
