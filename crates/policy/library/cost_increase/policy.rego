# One change makes it dearer by at most so much.
#
# Judges how much more a month costs after the change. Where that was not estimated, nothing passes.
package statehouse.cost_increase

import rego.v1

deny contains {"msg": sprintf("it makes a month %.2f dearer; one change may add at most %v: split it, make it smaller, or have an exception granted", [input.cost.monthly_change, data.parameters.cost_increase.increase_max])} if {
	input.cost.monthly_change > data.parameters.cost_increase.increase_max
}

deny contains {"msg": "the difference in cost is not known; have it estimated"} if {
	not is_number(object.get(input, ["cost", "monthly_change"], null))
}

# Amounts of two currencies are never compared.
deny contains {"msg": sprintf("it is priced in %s, and what may be spent is said in %s; have prices of that currency put over the book", [currency, wanted])} if {
	wanted := data.parameters.cost_increase.currency
	wanted != ""
	currency != wanted
}

currency := object.get(input.cost, "currency", "USD")
