# Resources carry the tags that are required.
#
# Judges whatever can have tags or labels: those of the resource together with the defaults of its provider (tags_all,
# effective_labels). A tag whose value is known only after the apply is there. Where all tags are unknown, they are
# judged only if no provider gives tags by default.
package statehouse.required_tags

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, sprintf("the tags %s are missing; add them to it, or to the provider's default tags", [concat(", ", missing)])) if {
	some type, changes in plan.made
	not plan.is_like_any(type, data.parameters.required_tags.exempt)
	some change in changes
	is_taggable(change.change)
	not is_open(change)
	missing := required - tags(change.change)
	count(missing) > 0
}

required := {tag | some tag in data.parameters.required_tags.tags}

names := ["tags_all", "tags", "effective_labels", "terraform_labels", "labels"]

# Whether a resource has tags at all; tags that are no map of names are none of these.
is_taggable(change) if {
	some name in ["tags_all", "tags", "effective_labels", "labels"]
	some part in ["after", "after_unknown"]
	value := change[part][name]
	not is_array(value)
}

tags(change) := {tag |
	some part in ["after", "after_unknown"]
	some name in names
	is_object(change[part][name])
	some tag, value in change[part][name]
	value != ""
}

# Whether its tags cannot be told before the apply.
is_open(change) if plan.is_unknown(change, ["tags"])

is_open(change) if plan.is_unknown(change, ["labels"])

is_open(change) if {
	plan.is_unknown(change, ["tags_all"])
	has_defaults
}

has_defaults if {
	some provider in input.configuration.provider_config
	provider.expressions.default_tags
}
