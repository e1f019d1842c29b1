//! How Sigma's fields read on records that only stand in for what its categories mean, and on those of
//! clouds: a record, a scope, and what its fields are there.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

use rulestone_events::{Event, Fields, Ingest, Log, ScopeKind, Settings, Views};
use rulestone_value::Value;

fn event(record: &str) -> Event {
    let bytes = record.as_bytes().to_vec();
    let mut log = Log::from_reader(Cursor::new(bytes), Arc::from("log")).expect("a log");
    let mut events = Vec::new();
    let unit = log.next_unit().expect("a log");
    Ingest::new(Settings::default()).read(unit.into_records(), &Fields::All, |batch| {
        events.extend(batch.rows.iter().map(|row| batch.event(row)));
    });
    events.pop().expect("a log")
}

fn keys(scope: &str) -> BTreeMap<Arc<str>, Arc<str>> {
    let pair = |word: &str| {
        word.split_once('=').map(|(k, v)| (Arc::from(k), Arc::from(v))).expect("a log")
    };
    scope.split(' ').map(pair).collect()
}

/// How the event reads in a scope, if it serves it.
fn served(views: &Views, scope: &str, event: &Event) -> Option<Arc<ScopeKind>> {
    let kinds = views.scope("sigma", &keys(scope));
    let holds = |kind: &ScopeKind| {
        kind.when.iter().all(|(field, texts)| {
            let value = read(kind, field, event);
            let is = |v: &Value| {
                v.text().is_some_and(|t| texts.iter().any(|o| o.eq_ignore_ascii_case(&t)))
            };
            value.elements().iter().any(is)
        })
    };
    ScopeKind::serving(&kinds, &event.kind)
        .find(|(_, kind)| holds(kind))
        .map(|(_, kind)| kind.clone())
}

fn read(kind: &ScopeKind, field: &str, event: &Event) -> Value {
    kind.field(field).value(&|raw| event.get(raw).clone())
}

fn text(value: &Value) -> String {
    let texts = value
        .elements()
        .iter()
        .filter(|v| !v.is_null())
        .filter_map(|v| Some(v.text()?.into_owned()));
    texts.collect::<Vec<_>>().join(" | ")
}

/// Scope, record, fields with their values; an empty one is null.
type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const ENDPOINTS: &[Case] = &[
    (
        "product=windows category=process_creation",
        r#"{"@timestamp":"2024-01-02T03:04:05Z","event":{"dataset":"endpoint.events.process","action":"start"},"host":{"os":{"type":"windows"}},"user":{"domain":"CORP","name":"eve"},"process":{"pid":5,"executable":"C:\\a.exe","command_line":"a.exe -x","hash":{"md5":"aa"},"pe":{"original_file_name":"b.exe","imphash":"cc"},"parent":{"executable":"C:\\p.exe","pid":4},"Ext":{"token":{"integrity_level_name":"high"}}}}"#,
        &[
            ("Image", "C:\\a.exe"),
            ("CommandLine", "a.exe -x"),
            ("ParentImage", "C:\\p.exe"),
            ("ParentProcessId", "4"),
            ("User", "CORP\\eve"),
            ("IntegrityLevel", "high"),
            ("OriginalFileName", "b.exe"),
            ("Hashes", "MD5=aa | IMPHASH=cc"),
            ("Company", ""),
            ("GrandParentImage", ""),
        ],
    ),
    (
        "product=linux category=process_creation",
        r#"{"@timestamp":"2024-01-02T03:04:05Z","data_stream":{"dataset":"endpoint.events.process"},"event":{"action":["fork","exec"]},"host":{"os":{"type":"linux"}},"process":{"executable":"/bin/a"}}"#,
        &[("Image", "/bin/a")],
    ),
    (
        "product=macos category=file_event",
        r#"{"@timestamp":"2024-01-02T03:04:05Z","event":{"dataset":"endpoint.events.file","action":"creation"},"host":{"os":{"type":"macos"}},"file":{"path":"/tmp/x"}}"#,
        &[("TargetFilename", "/tmp/x"), ("Image", "")],
    ),
    (
        "product=windows category=registry_set",
        r#"{"@timestamp":"2024-01-02T03:04:05Z","event":{"dataset":"endpoint.events.registry","action":"modification"},"host":{"os":{"type":"windows"}},"registry":{"path":"HKLM\\Software\\x","data":{"type":"REG_DWORD","strings":"1"}}}"#,
        &[
            ("TargetObject", "HKLM\\Software\\x"),
            ("Details", "DWORD (0x00000001)"),
            ("EventType", "SetValue"),
        ],
    ),
    (
        "product=windows category=network_connection",
        r#"{"@timestamp":"2024-01-02T03:04:05Z","event":{"dataset":"endpoint.events.network","action":"connection_accepted"},"host":{"os":{"type":"windows"}},"destination":{"ip":"192.0.2.1","port":443}}"#,
        &[("DestinationIp", "192.0.2.1"), ("DestinationPort", "443"), ("Initiated", "false")],
    ),
    (
        "product=windows category=image_load",
        r#"{"@timestamp":"2024-01-02T03:04:05Z","event":{"dataset":"endpoint.events.library","category":["library"]},"host":{"os":{"type":"windows"}},"dll":{"path":"C:\\x.dll","code_signature":{"exists":true,"status":"trusted"}}}"#,
        &[("ImageLoaded", "C:\\x.dll"), ("Signed", "true"), ("SignatureStatus", "Valid")],
    ),
    (
        "product=windows category=process_creation",
        r#"{"event_simpleName":"ProcessRollup2","aid":"a","event_platform":"Win","ImageFileName":"\\Device\\HarddiskVolume2\\x\\a.exe","CommandLine":"a","ParentBaseFileName":"p.exe","ParentProcessId":"99","RawProcessId":"5","IntegrityLevel":"12288","MD5HashData":"aa","LogonId":"1"}"#,
        &[
            ("Image", "C:\\x\\a.exe"),
            ("CommandLine", "a"),
            ("ParentImage", "\\p.exe"),
            ("ParentProcessId", ""),
            ("ProcessId", "5"),
            ("IntegrityLevel", "High"),
            ("Hashes", "MD5=aa"),
            ("LogonId", ""),
            ("ParentCommandLine", ""),
        ],
    ),
    (
        "product=linux category=process_creation",
        r#"{"event_simpleName":"ProcessRollup2","aid":"a","event_platform":"Lin","ImageFileName":"/bin/a","CommandLine":"a"}"#,
        &[("Image", "/bin/a"), ("ParentImage", "")],
    ),
    (
        "product=windows category=network_connection",
        r#"{"event_simpleName":"NetworkReceiveAcceptIP4","aid":"a","event_platform":"Win","RemoteAddressIP4":"192.0.2.1","RemotePort":"5","LocalAddressIP4":"10.0.0.1","LocalPort":"3389","Protocol":"6"}"#,
        &[
            ("SourceIp", "192.0.2.1"),
            ("DestinationIp", "10.0.0.1"),
            ("DestinationPort", "3389"),
            ("Initiated", "false"),
            ("Protocol", "tcp"),
            ("Image", ""),
        ],
    ),
    (
        "product=windows category=registry_set",
        r#"{"event_simpleName":"AsepValueUpdate","aid":"a","event_platform":"Win","RegObjectName":"\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet001\\x","RegValueName":"v","RegType":"1","RegStringValue":"a.exe"}"#,
        &[("TargetObject", "HKLM\\System\\CurrentControlSet\\x\\v"), ("Details", "a.exe")],
    ),
    (
        "product=windows category=process_creation",
        r#"{"TimeGenerated":"2024-01-02T03:04:05Z","Type":"DeviceProcessEvents","ActionType":"ProcessCreated","FolderPath":"C:\\a.exe","ProcessCommandLine":"a","AccountDomain":"corp","AccountName":"eve","InitiatingProcessFolderPath":"c:\\p.exe","LogonId":999,"SHA1":"aa"}"#,
        &[
            ("Image", "C:\\a.exe"),
            ("CommandLine", "a"),
            ("User", "corp\\eve"),
            ("ParentImage", "c:\\p.exe"),
            ("LogonId", ""),
            ("Hashes", "SHA1=aa"),
        ],
    ),
    (
        "product=windows category=registry_set",
        r#"{"TimeGenerated":"2024-01-02T03:04:05Z","Type":"DeviceRegistryEvents","ActionType":"RegistryValueSet","RegistryKey":"HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet001\\x","RegistryValueName":"v","RegistryValueType":"Dword","RegistryValueData":"16"}"#,
        &[
            ("TargetObject", "HKLM\\System\\CurrentControlSet\\x\\v"),
            ("Details", "DWORD (0x00000010)"),
            ("EventType", "SetValue"),
        ],
    ),
    (
        "product=windows category=dns_query",
        r#"{"Timestamp":"2024-01-02T03:04:05Z","DeviceId":"d","ReportId":1,"ActionType":"DnsQueryResponse","AdditionalFields":"{\"DnsQueryString\":\"x.example\"}"}"#,
        &[("QueryName", "x.example")],
    ),
];

const SERVICES: &[Case] = &[
    (
        "product=azure service=signinlogs",
        r#"{"time":"2024-01-02T03:04:05Z","category":"SignInLogs","operationName":"x","properties":{"status":{"errorCode":50126},"clientAppUsed":"IMAP4"}}"#,
        &[("ResultType", "50126"), ("ClientApp", "IMAP4"), ("Status", "")],
    ),
    (
        "product=azure service=auditlogs",
        r#"{"activityDateTime":"2024-01-02T03:04:05Z","activityDisplayName":"Add user","category":"UserManagement","result":"success"}"#,
        &[
            ("properties.message", "Add user"),
            ("Category", "UserManagement"),
            ("Status", "success"),
        ],
    ),
    (
        "product=azure service=activitylogs",
        r#"{"TimeGenerated":"2024-01-02T03:04:05Z","Type":"AzureActivity","OperationNameValue":"MICROSOFT.X/WRITE","CategoryValue":"Administrative"}"#,
        &[("operationName", "MICROSOFT.X/WRITE"), ("CategoryValue", "Administrative")],
    ),
    (
        "product=m365 service=threat_management",
        r#"{"CreationTime":"2024-01-02T03:04:05","Workload":"SecurityComplianceCenter","RecordType":40,"Operation":"AlertTriggered","Name":"Unusual","ResultStatus":"Succeeded"}"#,
        &[
            ("eventSource", "SecurityComplianceCenter"),
            ("eventName", "Unusual"),
            ("status", "success"),
        ],
    ),
    (
        "product=gcp service=gcp.audit",
        r#"{"timestamp":"2024-01-02T03:04:05Z","logName":"l","protoPayload":{"methodName":"storage.buckets.delete"}}"#,
        &[("gcp.audit.method_name", "storage.buckets.delete")],
    ),
    (
        "product=gcp service=google_workspace.admin",
        r#"{"id":{"time":"2024-01-02T03:04:05Z","applicationName":"admin"},"events":[{"name":"DELETE_GROUP"}]}"#,
        &[("eventService", "admin.googleapis.com"), ("eventName", "DELETE_GROUP")],
    ),
    (
        "product=kubernetes category=application service=audit",
        r#"{"auditID":"a","verb":"create","stage":"x","objectRef":{"resource":"pods","apiGroup":"g"}}"#,
        &[("verb", "create"), ("objectRef.resource", "pods"), ("apiGroup", "g")],
    ),
    (
        "product=linux service=sshd",
        r#"{"__REALTIME_TIMESTAMP":"1714979289123000","MESSAGE":"x","SYSLOG_IDENTIFIER":"sshd"}"#,
        &[("MESSAGE", "x")],
    ),
    (
        "product=linux service=auditd",
        r#"{"@timestamp":"2024-01-02T03:04:05Z","event":{"module":"auditd"},"auditd":{"message_type":"execve","data":{"a0":"sh"}}}"#,
        &[("type", "execve"), ("a0", "sh"), ("a1", "")],
    ),
    (
        "category=dns",
        r#"{"timestamp":"2024-01-02T03:04:05Z","flow_id":1,"event_type":"dns","dns":{"rrname":"x.example"}}"#,
        &[("query", "x.example")],
    ),
];

#[test]
fn fields_read_as_the_scope_means_them() {
    let views = Views::built_in().expect("a log");
    for (scope, record, fields) in ENDPOINTS.iter().chain(SERVICES) {
        let event = event(record);
        let kind = served(&views, scope, &event);
        let kind = kind.unwrap_or_else(|| panic!("{scope} by {}: {record}", event.kind.label()));
        for (field, expected) in *fields {
            assert_eq!(
                text(&read(&kind, field, &event)),
                *expected,
                "{field} of {scope}: {record}"
            );
        }
    }
}

/// Who stands in for something says so, and in what.
#[test]
fn what_stands_in_says_so() {
    let views = Views::built_in().expect("a log");
    for (scope, record, _) in ENDPOINTS {
        let kind = served(&views, scope, &event(record)).expect("a log");
        assert!(kind.stand_in.is_some(), "{scope}: {record}");
    }
}

#[test]
fn events_of_another_sort_do_not_serve() {
    let views = Views::built_in().expect("a log");
    let cases = [
        ("product=windows category=process_creation", ENDPOINTS[1].1),
        ("product=linux category=process_creation", ENDPOINTS[0].1),
        ("product=windows category=process_creation", ENDPOINTS[5].1),
        ("product=linux category=process_creation", ENDPOINTS[6].1),
        ("product=windows category=file_event", ENDPOINTS[10].1),
        ("product=azure service=auditlogs", SERVICES[0].1),
        ("product=linux service=cron", SERVICES[7].1),
        ("product=windows", SERVICES[7].1),
    ];
    for (scope, record) in cases {
        assert!(served(&views, scope, &event(record)).is_none(), "{scope}: {record}");
    }
}
