use super::*;

fn json(text: &str) -> Result<String, String> {
    let mut out = Vec::new();
    XmlEvent::default().convert(text, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn elements_become_the_tree_of_the_binary_format() {
    let cases = [
        ("<Event/>", r#"{"Event":null}"#),
        (
            "<Event xmlns='u'><System/></Event>",
            r##"{"Event":{"#attributes":{"xmlns":"u"},"System":null}}"##,
        ),
        (
            "<Event><System><Provider Name=\"P\" Guid=''/><EventID Qualifiers='7'>1</EventID><Version>2</Version><Keywords>0x80</Keywords><Computer>5</Computer></System></Event>",
            r##"{"Event":{"System":{"Provider":{"#attributes":{"Name":"P"}},"EventID":{"#attributes":{"Qualifiers":7},"#text":1},"Version":2,"Keywords":"0x80","Computer":"5"}}}"##,
        ),
        (
            "<Event><EventData><Data Name='a'>x</Data><Data Name='b'/><Data Name='c'></Data></EventData></Event>",
            r##"{"Event":{"EventData":{"a":"x","b":"","c":""}}}"##,
        ),
        (
            "<Event><EventData>\n  <Data>x</Data>\n  <Data/>\n</EventData></Event>",
            r##"{"Event":{"EventData":{"Data":{"#text":["x",""]}}}}"##,
        ),
        (
            "<Event><EventData><Data>x</Data><Binary>00FF</Binary></EventData></Event>",
            r##"{"Event":{"EventData":{"Data":{"#text":"x"},"Binary":"00FF"}}}"##,
        ),
        (
            "<Event><EventData><Data Name='a'>1</Data><Data Name='a'>2</Data><Data Name='b'>3</Data><Data Name='a'>4</Data></EventData></Event>",
            r##"{"Event":{"EventData":{"a":["1","2"],"b":"3","a_1":"4"}}}"##,
        ),
        (
            "<Event><UserData><X xmlns='u'><A>1</A><A>2</A><B/></X></UserData></Event>",
            r##"{"Event":{"UserData":{"X":{"#attributes":{"xmlns":"u"},"A":"1","A_1":"2","B":null}}}}"##,
        ),
        (
            "<e:Event xmlns:e='u'><e:System><e:EventID>3</e:EventID></e:System><e:EventData><e:Data Name='a'>x</e:Data></e:EventData></e:Event>",
            r##"{"Event":{"#attributes":{"xmlns:e":"u"},"System":{"EventID":3},"EventData":{"a":"x"}}}"##,
        ),
        (
            "<Event><RenderingInfo Culture='en-US'><Message>a\r\n\tb</Message><Keywords><Keyword>k</Keyword></Keywords></RenderingInfo></Event>",
            r##"{"Event":{"RenderingInfo":{"#attributes":{"Culture":"en-US"},"Message":"a\r\n\tb","Keywords":{"Keyword":"k"}}}}"##,
        ),
        (
            "<Event><EventData><Data Name='a&amp;b'>&lt;&#65;&#x42;&quot;&apos;&gt;&odd; &amp;lt; a & b</Data><Data Name='c'><![CDATA[<&lt;>]]>d</Data></EventData></Event>",
            r##"{"Event":{"EventData":{"a&b":"<AB\"'>&odd; &lt; a & b","c":"<&lt;>d"}}}"##,
        ),
        (
            "<Event><EventData><!-- c --><Data Name='a'>x<!-- <Event> -->y</Data><?pi?></EventData></Event>",
            r##"{"Event":{"EventData":{"a":"xy"}}}"##,
        ),
        (
            "<Event><EventData><Data Name='a'> </Data>text</EventData></Event>",
            r##"{"Event":{"EventData":{"#text":"text","a":" "}}}"##,
        ),
        (
            "<Event><ProcessingErrorData><ErrorCode>15003</ErrorCode></ProcessingErrorData></Event>",
            r##"{"Event":{"ProcessingErrorData":{"ErrorCode":"15003"}}}"##,
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(json(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_not_well_formed_is_said() {
    let deep = format!("<Event>{}{}</Event>", "<a>".repeat(80), "</a>".repeat(80));
    let cases = ["", "text", "<Event>", "<Event><a></Event>", "<Event a=b></Event>", &deep];
    for text in cases {
        assert!(json(text).is_err(), "{text}");
    }
}

#[test]
fn nothing_expands() {
    let text = "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><Event><Data>&a;</Data></Event>";
    assert_eq!(json(text).as_deref(), Ok(r#"{"Event":{"Data":"&a;"}}"#));
}

#[test]
fn an_event_ends_where_it_ends() {
    let head = "<System><EventID>1</EventID></System>";
    let whole = format!("<Event>{head}</Event>");
    let cases = [
        (whole.clone(), Extent::Ends(whole.len())),
        (format!("{whole}<Event>"), Extent::Ends(whole.len())),
        ("<Event/><Event>".to_owned(), Extent::Ends(8)),
        (format!("<Event>{head}"), Extent::Open),
        (format!("<Event>{head}{whole}"), Extent::Broken(7 + head.len())),
        (
            format!("<Event>{head}<![CDATA[{whole}]]></Event>"),
            Extent::Ends(7 + head.len() + 9 + whole.len() + 3 + 8),
        ),
        (format!("<Event>{head}<!-- </Event> --></Event >"), Extent::Ends(7 + head.len() + 17 + 9)),
        (format!("<Event>{head}<![CDATA[{whole}"), Extent::Open),
        ("<Event><UserData><Event>x</Event></UserData></Event>".to_owned(), Extent::Ends(52)),
        ("<e:Event><e:System/></e:Event>".to_owned(), Extent::Ends(30)),
        ("<Event><EventData/></EventData></Events></Event>".to_owned(), Extent::Ends(48)),
    ];
    for (text, expected) in cases {
        assert_eq!(Marks::default().extent(text.as_bytes(), 0), expected, "{text}");
    }
}
