//! An offer file as AWS publishes them for EC2: products first, then their terms, on demand and reserved.
//!
//! It goes where it is wanted as it is made, so that it takes neither disk nor memory. As in the real one a product takes some
//! kilobytes, most of them terms of reservations, and nearly every product is unlike the others.

use std::io::{BufWriter, Write};

use crate::Result;

/// What a product takes with all its terms, about.
const PRODUCT_BYTES: usize = 8_400;
/// Terms of a reservation: a year or three, paid before, in part or after, standard or convertible.
const RESERVED: usize = 11;
const REGIONS: [&str; 8] = [
    "us-east-1",
    "us-east-2",
    "us-west-2",
    "eu-west-1",
    "eu-central-1",
    "ap-southeast-1",
    "ap-northeast-1",
    "sa-east-1",
];
const SYSTEMS: [&str; 5] = ["Linux", "Windows", "RHEL", "SUSE", "Ubuntu Pro"];
const TENANCIES: [&str; 3] = ["Shared", "Dedicated", "Host"];
const SOFTWARE: [&str; 4] = ["NA", "SQL Std", "SQL Ent", "SQL Web"];

/// How many products a file of so many bytes has.
pub(crate) fn products_of(bytes: usize) -> usize {
    bytes / PRODUCT_BYTES
}

/// Writes a file of about so many bytes, and tells how many it were.
pub(crate) fn write(to: impl Write, bytes: usize) -> Result<usize> {
    let mut to = Counted {
        to: BufWriter::with_capacity(1 << 20, to),
        count: 0,
    };
    let count = products_of(bytes);
    to.write_all(br#"{"formatVersion":"v1.0","disclaimer":"made up","offerCode":"AmazonEC2","version":"1","publicationDate":"2026-08-01T00:00:00Z","products":{"#)?;
    for number in 0..count {
        let comma = if number > 0 { "," } else { "" };
        product(&mut to, comma, number)?;
    }
    to.write_all(br#"},"terms":{"OnDemand":{"#)?;
    for number in 0..count {
        let comma = if number > 0 { "," } else { "" };
        let sku = sku(number);
        write!(to, r#"{comma}"{sku}":{{"#)?;
        term(&mut to, "", &sku, "JRTCKXETXF", number)?;
        to.write_all(b"}")?;
    }
    to.write_all(br#"},"Reserved":{"#)?;
    for number in 0..count {
        let comma = if number > 0 { "," } else { "" };
        let sku = sku(number);
        write!(to, r#"{comma}"{sku}":{{"#)?;
        for offer in 0..RESERVED {
            let comma = if offer > 0 { "," } else { "" };
            term(&mut to, comma, &sku, &format!("RESERVED{offer:02}"), number)?;
        }
        to.write_all(b"}")?;
    }
    to.write_all(b"}}}\n")?;
    to.flush()?;
    Ok(to.count)
}

fn sku(number: usize) -> String {
    format!("SKU{number:013}")
}

fn product(to: &mut impl Write, comma: &str, number: usize) -> Result<()> {
    let pick = |of: &[&'static str], at: usize| of.get(at % of.len()).copied().unwrap_or_default();
    let region = pick(&REGIONS, number);
    let rest = number / REGIONS.len();
    let system = pick(&SYSTEMS, rest);
    let rest = rest / SYSTEMS.len();
    let tenancy = pick(&TENANCIES, rest);
    let rest = rest / TENANCIES.len();
    let software = pick(&SOFTWARE, rest);
    let kind = format!("m{}.{}xlarge", rest / 48, 1 + rest % 48);
    write!(
        to,
        r#"{comma}"{sku}":{{"sku":"{sku}","productFamily":"Compute Instance","attributes":{{"servicecode":"AmazonEC2","location":"{region}","locationType":"AWS Region","instanceType":"{kind}","currentGeneration":"Yes","instanceFamily":"General purpose","vcpu":"8","physicalProcessor":"Intel Xeon Platinum 8175","clockSpeed":"3.1 GHz","memory":"32 GiB","storage":"EBS only","networkPerformance":"Up to 10 Gigabit","processorArchitecture":"64-bit","tenancy":"{tenancy}","operatingSystem":"{system}","licenseModel":"No License required","usagetype":"{region}-BoxUsage:{kind}","operation":"RunInstances:{operation:04x}","availabilityzone":"NA","capacitystatus":"Used","classicnetworkingsupport":"false","dedicatedEbsThroughput":"Up to 2120 Mbps","ecu":"37.5","enhancedNetworkingSupported":"Yes","gpuMemory":"NA","intelAvxAvailable":"Yes","intelAvx2Available":"Yes","intelTurboAvailable":"Yes","marketoption":"OnDemand","normalizationSizeFactor":"16","preInstalledSw":"{software}","processorFeatures":"Intel AVX; Intel AVX2; Intel AVX512; Intel Turbo","regionCode":"{region}","servicename":"Amazon Elastic Compute Cloud","vpcnetworkingsupport":"true"}}}}"#,
        sku = sku(number),
        operation = number / REGIONS.len() % SYSTEMS.len(),
    )?;
    Ok(())
}

fn term(to: &mut impl Write, comma: &str, sku: &str, offer: &str, number: usize) -> Result<()> {
    write!(
        to,
        r#"{comma}"{sku}.{offer}":{{"offerTermCode":"{offer}","sku":"{sku}","effectiveDate":"2026-08-01T00:00:00Z","priceDimensions":{{"{sku}.{offer}.6YS6EN2CT7":{{"rateCode":"{sku}.{offer}.6YS6EN2CT7","description":"$0.{price:04} per On Demand hour of an instance that nobody has","beginRange":"0","endRange":"Inf","unit":"Hrs","pricePerUnit":{{"USD":"0.{price:04}000000"}},"appliesTo":[]}}}},"termAttributes":{{"LeaseContractLength":"1yr","OfferingClass":"standard","PurchaseOption":"No Upfront"}}}}"#,
        price = 1 + number % 9_999,
    )?;
    Ok(())
}

/// Counts what goes through it.
struct Counted<W> {
    to: W,
    count: usize,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = self.to.write(bytes)?;
        self.count += taken;
        Ok(taken)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::cast_precision_loss,
        missing_docs
    )]

    use super::*;

    #[test]
    fn a_file_is_json_of_about_the_size_that_is_asked_for() {
        let mut bytes = Vec::new();
        let asked = 2_000_000;
        let count = write(&mut bytes, asked).unwrap();
        assert_eq!(count, bytes.len());
        assert!((count as f64 / asked as f64 - 1.0).abs() < 0.2, "{count}");
        let offer: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let products = offer["products"].as_object().unwrap().len();
        assert_eq!(products, products_of(asked));
        assert_eq!(
            offer["terms"]["OnDemand"].as_object().unwrap().len(),
            products
        );
    }
}
