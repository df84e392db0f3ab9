//! The XML of a listing of object versions.
//!
//! A reader for the one form that S3 answers in: elements without attributes that matter, texts, and the five entities. Anything
//! else (a document type, a section of raw characters) is refused, not guessed at. Keys come URL-encoded, as was asked for, from
//! stores that say so.

/// A version of an object, or the mark that it was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    /// The key.
    pub(super) key: String,
    /// Its id; `null` where the bucket keeps no versions.
    pub(super) id: String,
    /// Whether it is what the key names now.
    pub(super) is_latest: bool,
    /// Whether it says that there is nothing any more.
    pub(super) is_deletion: bool,
    /// When it was written.
    pub(super) modified: String,
    /// Its length.
    pub(super) size: u64,
}

/// A page of a listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Versions, by key, the newest of each first.
    pub(super) versions: Vec<Version>,
    /// Where the next page begins: key and version.
    pub(super) next: Option<(String, String)>,
}

/// Reads a page. Words say what is wrong, and quote nothing.
pub(super) fn read(text: &str) -> Result<Page, &'static str> {
    let mut page = Page::default();
    let (mut truncated, mut encoded) = (false, false);
    let mut next = (String::new(), String::new());
    let mut path: Vec<&str> = Vec::new();
    let mut version = Version::default();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let (tag, after) = after.split_once('>').ok_or("a tag does not end")?;
        rest = after;
        if tag.starts_with('?') {
            continue;
        }
        if tag.starts_with('!') {
            return Err("it has what no listing has");
        }
        let Some(closed) = tag.strip_prefix('/') else {
            let name = tag.split_whitespace().next().unwrap_or_default();
            if !tag.ends_with('/') {
                path.push(name);
            }
            if path.len() == 2 {
                version = Version {
                    is_deletion: name == "DeleteMarker",
                    ..Version::default()
                };
            }
            continue;
        };
        if path.pop() != Some(closed) {
            return Err("its tags do not match");
        }
        match (path.as_slice(), closed) {
            ([_], "Version" | "DeleteMarker") => page.versions.push(std::mem::take(&mut version)),
            ([_], "IsTruncated") => truncated = before == "true",
            ([_], "EncodingType") => encoded = before == "url",
            ([_], "NextKeyMarker") => next.0 = plain(before)?,
            ([_], "NextVersionIdMarker") => next.1 = plain(before)?,
            ([_, "Version" | "DeleteMarker"], _) => field(&mut version, closed, before)?,
            _ => {}
        }
    }
    if !path.is_empty() {
        return Err("it was cut off");
    }
    if encoded {
        next.0 = key(&next.0)?;
        for version in &mut page.versions {
            version.key = key(&version.key)?;
        }
    }
    page.next = truncated.then_some(next);
    Ok(page)
}

fn field(version: &mut Version, name: &str, text: &str) -> Result<(), &'static str> {
    match name {
        "Key" => version.key = plain(text)?,
        "VersionId" => version.id = plain(text)?,
        "IsLatest" => version.is_latest = text == "true",
        "LastModified" => version.modified = plain(text)?,
        "Size" => version.size = text.parse().map_err(|_| "a size is no number")?,
        _ => {}
    }
    Ok(())
}

/// A text without its entities.
fn plain(text: &str) -> Result<String, &'static str> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (entity, after) = after.split_once(';').ok_or("an entity does not end")?;
        plain.push_str(before);
        plain.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => numbered(entity).ok_or("it has an unknown entity")?,
        });
        rest = after;
    }
    plain.push_str(rest);
    Ok(plain)
}

fn numbered(entity: &str) -> Option<char> {
    let digits = entity.strip_prefix('#')?;
    let code = match digits.strip_prefix('x') {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => digits.parse().ok()?,
    };
    char::from_u32(code)
}

/// A key without its URL encoding.
fn key(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next(), rest.next()].map(|digit| char::from(digit.unwrap_or(0)));
                let [high, low] = digits.map(|digit| digit.to_digit(16));
                let both = high.zip(low).ok_or("a key is not URL-encoded")?;
                u8::try_from(both.0 * 16 + both.1).map_err(|_| "a key is not URL-encoded")?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| "a key is not UTF-8")
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        missing_docs
    )]

    use super::*;

    const PAGE: &str = "<?xml version=\"1.0\"?>\n<ListVersionsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
        <Name>states</Name><Prefix></Prefix><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
        <NextKeyMarker>a%2Fb</NextKeyMarker><NextVersionIdMarker>v&amp;1</NextVersionIdMarker>\
        <Version><Key>a%2Fb+c%C3%A9</Key><VersionId>v1</VersionId><IsLatest>true</IsLatest>\
        <LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;x&quot;</ETag><Size>12</Size>\
        <Owner><ID>Key</ID><DisplayName/></Owner></Version>\
        <DeleteMarker><Key>gone</Key><VersionId>null</VersionId><IsLatest>true</IsLatest></DeleteMarker>\
        </ListVersionsResult>";

    #[test]
    fn a_page_is_read() {
        let page = read(PAGE).unwrap();
        assert_eq!(page.next, Some(("a/b".to_owned(), "v&1".to_owned())));
        let [version, deletion] = page.versions.as_slice() else {
            panic!("{page:?}")
        };
        assert_eq!(version.key, "a/b cé");
        assert_eq!(
            (version.size, version.is_latest, version.is_deletion),
            (12, true, false)
        );
        assert_eq!(
            (deletion.key.as_str(), deletion.is_deletion),
            ("gone", true)
        );
        assert_eq!(read("<a></a>").unwrap(), Page::default());
        let raw = read("<a><Version><Key>a+b%41&lt;</Key></Version></a>").unwrap();
        assert_eq!(raw.versions[0].key, "a+b%41<");
    }

    #[test]
    fn what_no_listing_is_is_refused() {
        let check = |text: &str| assert!(read(text).is_err(), "{text}");
        check("<!DOCTYPE a [<!ENTITY b \"c\">]><a></a>");
        check("<a><Version><Key><![CDATA[x]]></Key></Version></a>");
        check("<a><b></a></b>");
        check("<a><Version>");
        check("<a><Version><Key>&b;</Key></Version></a>");
        check("<a><EncodingType>url</EncodingType><Version><Key>%zz</Key></Version></a>");
        check("<a><Version><Size>x</Size></Version></a>");
        check("<a");
        for end in 1..PAGE.len() {
            if let Some(cut) = PAGE.get(..end) {
                assert!(read(cut).is_err() || !cut.contains("<Version>"), "{cut}");
            }
        }
    }
}
