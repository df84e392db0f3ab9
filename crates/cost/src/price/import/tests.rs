use super::*;
use crate::price::Row;

/// Imports a text and writes each row, one a line.
fn told(kind: Kind, file: &str, text: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(file);
    fs_err::write(&path, text).unwrap();
    let mut builder = Builder::default();
    if let Err(error) = import(kind, &path, &mut builder) {
        return error.to_string();
    }
    let book = builder.book("test", "2026-08-21").unwrap();
    (0..book.len()).map(|at| line(&book.row(at))).collect()
}

fn line(row: &Row) -> String {
    let attributes: Vec<String> = row
        .attributes
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let to = row.tier_to.map_or("..".to_owned(), |to| format!("..{to}"));
    format!(
        "{} | {} | {} | {} | {} | {} {} | {}{to} | {}\n",
        row.service,
        row.family,
        row.region,
        attributes.join(";"),
        row.unit,
        row.price.normalize(),
        row.currency,
        row.tier_from,
        row.effective_from
    )
}

fn check(kind: Kind, file: &str, text: &str, wanted: &[&str]) {
    let said = told(kind, file, text);
    for one in wanted {
        assert!(said.contains(one), "{one:?} is not in:\n{said}");
    }
}

const AWS_JSON: &str = r#"{
 "formatVersion": "v1.0", "offerCode": "AmazonEC2", "publicationDate": "2026-08-01T00:00:00Z",
 "products": {
  "SKU1": {"sku": "SKU1", "productFamily": "Compute Instance", "attributes": {"servicecode": "AmazonEC2", "regionCode": "eu-west-1",
    "location": "EU (Ireland)", "instanceType": "m5.large", "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA"}},
  "SKU2": {"sku": "SKU2", "productFamily": "Data Transfer", "attributes": {"servicecode": "AmazonEC2", "regionCode": "eu-west-1", "usagetype": "EU-Out"}}
 },
 "terms": {
  "OnDemand": {
   "SKU1": {"SKU1.T": {"sku": "SKU1", "effectiveDate": "2026-07-01T00:00:00Z", "priceDimensions": {
     "SKU1.T.D": {"unit": "Hrs", "beginRange": "0", "endRange": "Inf", "pricePerUnit": {"USD": "0.1070000000"}}}}},
   "SKU2": {"SKU2.T": {"sku": "SKU2", "effectiveDate": "2026-07-01T00:00:00Z", "priceDimensions": {
     "SKU2.T.A": {"unit": "GB", "beginRange": "0", "endRange": "10240", "pricePerUnit": {"USD": "0.09"}},
     "SKU2.T.B": {"unit": "GB", "beginRange": "10240", "endRange": "Inf", "pricePerUnit": {"USD": "0.085"}}}}}
  },
  "Reserved": {"SKU1": {"SKU1.R": {"sku": "SKU1", "priceDimensions": {"x": {"unit": "Quantity", "pricePerUnit": {"USD": "500"}}}}}}
 }
}"#;

#[test]
fn an_aws_offer_as_json_becomes_rows() {
    check(
        Kind::AwsOffer,
        "index.json",
        AWS_JSON,
        &[
            "AmazonEC2 | Compute Instance | eu-west-1 | instance_type=m5.large;",
            "os=Linux",
            "tenancy=Shared",
            "0.107 USD | 0.. | 20260701",
            "0.09 USD | 0..10240",
            "0.085 USD | 10240..",
        ],
    );
    assert!(!told(Kind::AwsOffer, "index.json", AWS_JSON).contains("500"));
}

#[test]
fn an_aws_offer_as_a_table_becomes_rows() {
    let text = "\"FormatVersion\",\"v1.0\"\n\"Disclaimer\",\"This list, is \"\"for\"\" reading\"\n\"Publication Date\",\"2026-08-01T00:00:00Z\"\n\"Version\",\"2026\"\n\"OfferCode\",\"AmazonEC2\"\n\
\"SKU\",\"OfferTermCode\",\"RateCode\",\"TermType\",\"PriceDescription\",\"EffectiveDate\",\"StartingRange\",\"EndingRange\",\"Unit\",\"PricePerUnit\",\"Currency\",\"Product Family\",\"serviceCode\",\"Region Code\",\"Instance Type\",\"Operating System\"\n\
\"S1\",\"T\",\"S1.T.D\",\"OnDemand\",\"a, b\",\"2026-07-01\",\"0\",\"Inf\",\"Hrs\",\"0.1070000000\",\"USD\",\"Compute Instance\",\"AmazonEC2\",\"eu-west-1\",\"m5.large\",\"Linux\"\n";
    check(
        Kind::AwsOffer,
        "index.csv",
        text,
        &[
            "AmazonEC2 | Compute Instance | eu-west-1 | instance_type=m5.large;",
            "0.107 USD | 0.. | 20260701",
        ],
    );
}

#[test]
fn pages_of_azure_become_rows() {
    let text = r#"{"BillingCurrency":"USD","Items":[
 {"currencyCode":"USD","tierMinimumUnits":0.0,"retailPrice":0.096,"armRegionName":"westeurope","effectiveStartDate":"2026-01-01T00:00:00Z","meterName":"D2s v3","productName":"Virtual Machines DSv3 Series","skuName":"D2s v3","serviceName":"Virtual Machines","serviceFamily":"Compute","unitOfMeasure":"1 Hour","type":"Consumption","isPrimaryMeterRegion":true,"armSkuName":"Standard_D2s_v3"},
 {"currencyCode":"USD","retailPrice":0.188,"armRegionName":"westeurope","effectiveStartDate":"2026-01-01T00:00:00Z","meterName":"D2s v3","productName":"Virtual Machines DSv3 Series Windows","skuName":"D2s v3","serviceName":"Virtual Machines","serviceFamily":"Compute","unitOfMeasure":"1 Hour","type":"Consumption","isPrimaryMeterRegion":true,"armSkuName":"Standard_D2s_v3"},
 {"currencyCode":"USD","retailPrice":500,"armRegionName":"westeurope","serviceName":"Virtual Machines","unitOfMeasure":"1 Hour","type":"Reservation","isPrimaryMeterRegion":true}
],"NextPageLink":null,"Count":3}"#;
    check(
        Kind::AzureRetail,
        "page.json",
        text,
        &[
            "os=Linux",
            "os=Windows",
            "vm_size=Standard_D2s_v3",
            "0.096 USD",
            "0.188 USD",
            "westeurope",
        ],
    );
    assert!(!told(Kind::AzureRetail, "page.json", text).contains("500"));
}

#[test]
fn a_list_of_google_becomes_rows() {
    let text = r#"{"skus":[{"name":"services/A/skus/B","skuId":"B","description":"N1 Predefined Instance Core running in Belgium",
 "category":{"serviceDisplayName":"Compute Engine","resourceFamily":"Compute","resourceGroup":"N1Standard","usageType":"OnDemand"},
 "serviceRegions":["europe-west1","europe-west4"],
 "pricingInfo":[{"effectiveTime":"2026-08-01T00:00:00Z","pricingExpression":{"usageUnit":"h","tieredRates":[
   {"startUsageAmount":0,"unitPrice":{"currencyCode":"USD","units":"0","nanos":0}},
   {"startUsageAmount":100,"unitPrice":{"currencyCode":"USD","units":"1","nanos":34773000}}]}}]}]}"#;
    check(
        Kind::GoogleSkus,
        "skus.json",
        text,
        &[
            "Compute Engine | Compute | europe-west1",
            "europe-west4",
            "0 USD | 0..100",
            "1.034773 USD | 100..",
        ],
    );
}

#[test]
fn rows_of_a_house_become_rows() {
    let text = "service,region,attributes,unit,price,currency,effective_from\nAcme,zurich,size=\"small\";kind=x,hours,0.5,CHF,2026-01-01\n";
    check(
        Kind::Csv,
        "house.csv",
        text,
        &["Acme", "zurich", "0.5 CHF", "20260101"],
    );
}

#[test]
fn a_list_that_cannot_be_read_is_answered_with_the_file_and_the_reason() {
    let deep = format!("{{\"products\":{}", "[".repeat(200_000));
    for (kind, file, text, wanted) in [
        (Kind::AwsOffer, "a.json", "{\"products\": 7}", "a.json"),
        (Kind::AwsOffer, "a.json", "{\"products\": {", "a.json"),
        (Kind::AwsOffer, "a.json", deep.as_str(), "a.json"),
        (
            Kind::AwsOffer,
            "a.csv",
            "nothing here\n",
            "is it an AWS offer file?",
        ),
        (Kind::AwsOffer, "a.csv", "", "is it an AWS offer file?"),
        (Kind::AzureRetail, "z.json", "{}", "z.json"),
        (
            Kind::AzureRetail,
            "z.json",
            "{\"Items\": [{\"retailPrice\": \"x\"}]}",
            "z.json",
        ),
        (Kind::GoogleSkus, "g.json", "7", "g.json"),
        (Kind::Csv, "c.csv", "", "c.csv"),
        (Kind::Csv, "c.csv", "service,region\nx,y\n", "c.csv:1"),
        (
            Kind::Csv,
            "c.csv",
            "service,region,attributes,unit,price,currency\nA,b,,h,x,USD\n",
            "c.csv:2",
        ),
        (
            Kind::Csv,
            "c.csv",
            "service,region,attributes,unit,price,currency\nA,b,,h,-1,USD\n",
            "is negative",
        ),
        (
            Kind::Csv,
            "c.csv",
            "service,region,attributes,unit,price,currency\nA,b\n",
            "has 2 fields",
        ),
        (
            Kind::Csv,
            "c.csv",
            "service,region,attributes,unit,price,currency,tier_from,tier_to\nA,b,,h,1,USD,0,100\nA,b,,h,2,USD,100,\nA,b,,h,3,USD,50,200\n",
            "c.csv:4: this step, from 50, overlaps with the one from 0 to 100 of the same product in line 2",
        ),
        (
            Kind::Csv,
            "c.csv",
            "service,region,attributes,unit,price,currency\nA,b,,h,1,dollars\n",
            "c.csv:2: the currency \"dollars\" is no code of three capitals",
        ),
    ] {
        let said = told(kind, file, text);
        assert!(said.contains(wanted), "{text:.60}: {said}");
    }
}
