# Resources carry the tags that are required.
#
# Judges whatever can have tags or labels: those of the resource together with the defaults of its provider (tags_all,
# effective_labels). A tag whose value is known only after the apply is there. Where all tags are unknown, they are
# judged only if no provider gives tags by default.
package statehouse.required_tags

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, sprintf("it lacks tags: %s; add them to it, or to the provider's default tags", [concat(", ", missing)])) if {
	some type, changes in plan.made
	not plan.is_like_any(type, data.parameters.required_tags.exempt)

	# Resources of one type have the same arguments.
	is_taggable(changes[0].change)
	some change in changes

	# What most resources have is looked at first: a plan can be long.
	lacks_any(change.change.after)
	not is_open(change.change.after_unknown)
	missing := required - tags(change.change)
	count(missing) > 0
}

lacks_any(after) if {
	some tag in required
	not has(after, tag)
}

has(after, tag) if after.tags_all[tag] != ""

has(after, tag) if after.tags[tag] != ""

has(after, tag) if after.effective_labels[tag] != ""

required := {tag | some tag in data.parameters.required_tags.tags}

names := ["tags_all", "tags", "effective_labels", "terraform_labels", "labels"]

# Whether a resource has tags at all; tags that are no map of names are none of these.
is_taggable(change) if {
	some name in ["tags_all", "tags", "effective_labels", "labels"]
	some part in ["after", "after_unknown"]
	values := change[part]
	value := values[name]
	not is_array(value)
}

tags(change) := {tag |
	some part in ["after", "after_unknown"]
	values := change[part]
	some name in names
	given := values[name]
	is_object(given)
	some tag, value in given
	value != ""
}

# Whether its tags cannot be told before the apply.
is_open(unknown) if unknown.tags == true

is_open(unknown) if unknown.labels == true

is_open(unknown) if {
	unknown.tags_all == true
	has_defaults
}

has_defaults if {
	some provider in input.configuration.provider_config
	provider.expressions.default_tags
}
