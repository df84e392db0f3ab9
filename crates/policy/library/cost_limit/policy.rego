# What is managed costs at most so much.
#
# Judges the monthly cost after the change. Where it was not estimated, nothing passes.
package statehouse.cost_limit

import rego.v1

deny contains {"msg": sprintf("it will cost %.2f %s a month; at most %v may be spent: make it smaller, or have the budget raised", [input.cost.monthly_after, currency, data.parameters.cost_limit.monthly_max])} if {
	input.cost.monthly_after > data.parameters.cost_limit.monthly_max
}

deny contains {"msg": "the cost is not known; have it estimated"} if {
	not is_number(object.get(input, ["cost", "monthly_after"], null))
}

currency := object.get(input.cost, "currency", "USD")

# Amounts of two currencies are never compared.
deny contains {"msg": sprintf("it is priced in %s, and what may be spent is said in %s; have prices of that currency put over the book", [currency, wanted])} if {
	wanted := data.parameters.cost_limit.currency
	wanted != ""
	currency != wanted
}
