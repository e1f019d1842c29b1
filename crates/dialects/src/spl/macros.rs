//! What macros are where neither the user nor the rule set says anything, as a table: those of the
//! vendors' common apps, and those that rule sets leave to their users.

use rulestone_ir::Schema;

use crate::environment::{Environment, Macro};

/// A macro that is built in.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn {
    /// Its name; a `*` at its end, or within, stands for anything.
    pub name: &'static str,
    /// The names of its arguments.
    pub arguments: &'static [&'static str],
    /// The text that it stands for.
    pub definition: &'static str,
    /// What it names; empty where the definition says it all.
    pub means: &'static str,
    /// Whose searches know it; those of all schemas where there is none.
    pub schema: Option<Schema>,
}

/// All macros that are built in.
pub fn macros() -> impl Iterator<Item = &'static BuiltIn> {
    GENERAL.iter().chain(ANVILOGIC)
}

/// The macro that a call means: the user's own, then the rule set's, then what is built in.
pub(super) fn find(
    environment: &Environment,
    schema: Schema,
    name: &str,
    arguments: usize,
) -> Option<Macro> {
    let key = if arguments == 0 { name.to_owned() } else { format!("{name}({arguments})") };
    if let Some(found) = environment.macros.get(&key) {
        return Some(found.clone());
    }
    let is = |own: &&BuiltIn| {
        own.arguments.len() == arguments
            && own.schema.is_none_or(|of| of == schema)
            && match own.name.split_once('*') {
                Some((start, end)) => {
                    let rest = name.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
                    rest.is_some_and(|rest| !rest.is_empty())
                }
                None => own.name == name,
            }
    };
    let found = macros().find(is)?;
    Some(Macro {
        arguments: found.arguments.iter().map(|name| (*name).to_owned()).collect(),
        definition: found.definition.to_owned(),
        is_eval: false,
    })
}

const fn general(
    name: &'static str,
    arguments: &'static [&'static str],
    definition: &'static str,
) -> BuiltIn {
    BuiltIn { name, arguments, definition, means: "", schema: None }
}

static GENERAL: &[BuiltIn] = &[
    general("comment", &["text"], ""),
    general("drop_dm_object_name", &["name"], "rename \"$name$.*\" as *"),
    general(
        "security_content_ctime",
        &["field"],
        r#"convert timeformat="%Y-%m-%dT%H:%M:%S" ctime($field$)"#,
    ),
    general(
        "security_content_summariesonly",
        &[],
        "summariesonly=`summariesonly_config` allow_old_summaries=`oldsummaries_config` \
         fillnull_value=`fillnull_config`",
    ),
    general("summariesonly", &[], "summariesonly=false"),
    general("summariesonly_config", &[], "false"),
    general("oldsummaries_config", &[], "true"),
    general("fillnull_config", &[], "null"),
    general(
        "cim_corporate_web_domain_search",
        &["field"],
        "[| inputlookup cim_corporate_web_domain_lookup \
         | rename domain as \"$field$\" | fields \"$field$\"]",
    ),
    general(
        "cim_corporate_email_domain_search",
        &["field"],
        "[| inputlookup cim_corporate_email_domain_lookup \
         | rename domain as \"$field$\" | fields \"$field$\"]",
    ),
    general("*_filter", &[], "search *"),
    general("cim_*_indexes", &[], "()"),
];

const fn armory(
    name: &'static str,
    arguments: &'static [&'static str],
    means: &'static str,
    definition: &'static str,
) -> BuiltIn {
    BuiltIn { name, arguments, definition, means, schema: Some(Schema::Anvilogic) }
}

/// The macros of Anvilogic's searches, which it does not publish: they are defined by what they
/// name, in the words that Splunk's add-ons have for sources and types of sources.
static ANVILOGIC: &[BuiltIn] = &[
    // Endpoints
    armory(
        "get_endpoint_data",
        &[],
        "logs of endpoints, of all kinds below",
        "(`get_endpoint_data_winevent` OR `get_endpoint_data_sysmon` \
          OR `get_endpoint_data_powershell` OR `get_endpoint_data_edr` \
          OR `get_endpoint_data_unix`)",
    ),
    armory(
        "get_endpoint_data_winevent",
        &[],
        "Windows event logs other than Sysmon's and PowerShell's",
        r#"(sourcetype="*WinEventLog*" NOT source="*Sysmon/Operational" NOT source="*PowerShell*")"#,
    ),
    armory(
        "get_endpoint_data_sysmon",
        &[],
        "Sysmon, on Windows and on Linux",
        r#"(source="*Sysmon/Operational" OR sourcetype="*sysmon*")"#,
    ),
    armory(
        "get_endpoint_data_powershell",
        &[],
        "the logs of PowerShell: operational, classic, and those of PowerShell 7",
        r#"(source="*WinEventLog:*PowerShell*" OR sourcetype="*WinEventLog:*PowerShell*")"#,
    ),
    armory(
        "get_endpoint_data_edr",
        &[],
        "sensors: CrowdStrike, Microsoft Defender, Elastic Defend, Carbon Black, SentinelOne and others",
        r#"(sourcetype="crowdstrike:*" OR sourcetype="mscs:azure:eventhub:defender*"
            OR sourcetype="ms:defender:*" OR sourcetype="elastic:endpoint*"
            OR sourcetype="carbonblack:*" OR sourcetype="bit9:carbonblack:*"
            OR sourcetype="vmware:cb*" OR sourcetype="sentinelone:*"
            OR sourcetype="pan:xdr*" OR sourcetype="cisco:amp:*"
            OR sourcetype="cybereason*" OR sourcetype="tanium*"
            OR sourcetype="osquery:*")"#,
    ),
    armory(
        "get_endpoint_data_unix",
        &[],
        "logs of Linux and other Unix hosts: audit, Sysmon for Linux, syslog, histories of shells",
        r#"(sourcetype="linux*" OR sourcetype="auditd" OR sourcetype="sysmon:linux"
            OR sourcetype="syslog" OR sourcetype="bash_history" OR sourcetype="osx*"
            OR sourcetype="osquery:*")"#,
    ),
    // Clouds
    armory(
        "get_cloud_data",
        &[],
        "logs of clouds, of all kinds below",
        "(`get_cloud_data_aws` OR `get_cloud_data_azure` OR `get_cloud_data_gcp` \
          OR `get_cloud_data_o365` OR `get_cloud_data_gsuite` OR `get_cloud_data_storage`)",
    ),
    armory("get_cloud_data_aws", &[], "Amazon's cloud", r#"(sourcetype="aws:*")"#),
    armory(
        "get_cloud_data_azure",
        &[],
        "Microsoft's cloud without Office",
        r#"((sourcetype="azure:*" OR sourcetype="mscs:*" OR sourcetype="ms:aad:*")
            NOT sourcetype="*defender*")"#,
    ),
    armory(
        "get_cloud_data_gcp",
        &[],
        "Google's cloud",
        r#"(sourcetype="google:gcp:*" OR sourcetype="gcp:*")"#,
    ),
    armory(
        "get_cloud_data_o365",
        &[],
        "Office 365, and the sign-ins to it, which Azure logs",
        r#"(sourcetype="o365:*" OR sourcetype="ms:o365:*" OR sourcetype="azure:monitor:aad"
            OR sourcetype="ms:aad:signin")"#,
    ),
    armory(
        "get_cloud_data_gsuite",
        &[],
        "Google Workspace",
        r#"(sourcetype="gsuite:*" OR sourcetype="gws:*" OR sourcetype="google:workspace:*")"#,
    ),
    armory(
        "get_cloud_data_iam",
        &[],
        "what clouds log about accounts and their rights",
        r#"(sourcetype="aws:cloudtrail*" OR sourcetype="aws:asl" OR sourcetype="azure:monitor:aad"
            OR sourcetype="ms:aad:*" OR sourcetype="google:gcp:pubsub:*"
            OR sourcetype="o365:management:activity")"#,
    ),
    armory(
        "get_cloud_data_storage",
        &[],
        "what clouds log about stored objects",
        r#"(sourcetype="aws:cloudtrail*" OR sourcetype="aws:s3:*" OR sourcetype="aws:asl"
            OR sourcetype="mscs:*" OR sourcetype="azure:monitor:*"
            OR sourcetype="google:gcp:*")"#,
    ),
    // The web
    armory(
        "get_web_data",
        &[],
        "logs of requests, of all kinds below, and what sensors on the network see of them",
        "(`get_web_data_waf` OR `get_web_data_proxy` OR `get_web_data_access_logs` \
          OR sourcetype=\"*:http:json\" OR sourcetype=\"stream:http\" OR sourcetype=\"suricata\")",
    ),
    armory(
        "get_web_data_waf",
        &[],
        "firewalls before web applications: of Amazon, F5, Cloudflare, Imperva, Akamai and others",
        r#"(sourcetype="*waf*" OR sourcetype="f5:bigip:asm*" OR sourcetype="cloudflare:*"
            OR sourcetype="imperva*" OR sourcetype="incapsula*" OR sourcetype="akamai*"
            OR sourcetype="barracuda*" OR sourcetype="fortiweb*" OR sourcetype="fortigate_utm"
            OR sourcetype="citrix:netscaler:appfw*" OR sourcetype="modsecurity*")"#,
    ),
    armory(
        "get_web_data_proxy",
        &[],
        "proxies: Zscaler, Blue Coat, Cisco, Squid, Palo Alto and others",
        r#"(sourcetype="zscalernss-web" OR sourcetype="bluecoat:*" OR sourcetype="cisco:wsa:*"
            OR sourcetype="squid*" OR sourcetype="mcafee:wg:*" OR sourcetype="forcepoint*"
            OR sourcetype="websense*" OR sourcetype="netskope*" OR sourcetype="pan:threat"
            OR sourcetype="fortigate_utm")"#,
    ),
    armory(
        "get_web_data_access_logs",
        &[],
        "access logs of servers: Apache, nginx, IIS, and of what distributes their load",
        r#"(sourcetype="access_*" OR sourcetype="apache:*" OR sourcetype="nginx:*"
            OR sourcetype="ms:iis:*" OR sourcetype="iis" OR sourcetype="aws:cloudfront:*"
            OR sourcetype="aws:elb:*" OR sourcetype="haproxy*" OR sourcetype="tomcat:access*")"#,
    ),
    // The network
    armory(
        "get_network_data",
        &[],
        "logs of connections: firewalls, flows, and what sensors on the network see",
        r#"(`get_network_data_fw` OR sourcetype="cisco:*" OR sourcetype="zeek:*"
            OR sourcetype="bro:*" OR sourcetype="suricata" OR sourcetype="stream:*"
            OR sourcetype="aws:cloudwatchlogs:vpcflow" OR sourcetype="*netflow*")"#,
    ),
    armory(
        "get_network_data_fw",
        &[],
        "firewalls: Palo Alto, Cisco, Fortinet, Check Point, Juniper and others",
        r#"(sourcetype="pan:*" OR sourcetype="cisco:asa" OR sourcetype="cisco:ftd*"
            OR sourcetype="cisco:firepower*" OR sourcetype="fortigate_*" OR sourcetype="fgt_*"
            OR sourcetype="cp_log*" OR sourcetype="opsec*" OR sourcetype="juniper:*"
            OR sourcetype="sophos:*" OR sourcetype="sonicwall*")"#,
    ),
    // Who signs in where
    armory(
        "get_authentication_data",
        &[],
        "services that people sign in with: Okta, Auth0, Duo, Ping, OneLogin and Azure's",
        r#"(`get_authentication_data_auth0` OR sourcetype="OktaIM2:*" OR sourcetype="okta:*"
            OR sourcetype="duo*" OR sourcetype="cisco:duo:*" OR sourcetype="ping*"
            OR sourcetype="onelogin:*" OR sourcetype="azure:monitor:aad"
            OR sourcetype="ms:aad:*")"#,
    ),
    armory(
        "get_authentication_data_auth0",
        &[],
        "Auth0",
        r#"(sourcetype="auth0*" OR source="auth0*")"#,
    ),
    // Applications
    armory(
        "get_application_data",
        &[],
        "applications that log what their users do: Okta, GitHub, Kubernetes and others",
        r#"(`get_application_data_api` OR `get_authentication_data` OR sourcetype="github*"
            OR sourcetype="gitlab*" OR sourcetype="atlassian:*" OR sourcetype="slack*"
            OR sourcetype="sfdc:*" OR sourcetype="salesforce*" OR sourcetype="zoom*"
            OR sourcetype="snowflake*" OR sourcetype="circleci*")"#,
    ),
    armory(
        "get_application_data_api",
        &[],
        "what the interface of Kubernetes is asked for",
        r#"(sourcetype="kube:*" OR sourcetype="aws:cloudwatchlogs:eks" OR source="kubernetes"
            OR eventtype="kube_audit")"#,
    ),
    armory(
        "get_email_data",
        &[],
        "logs of mail and of what filters it",
        r#"(`get_email_data_malicious` OR sourcetype="*messagetrace*"
            OR sourcetype="MSExchange:*" OR sourcetype="gsuite:gmail*"
            OR sourcetype="stream:smtp" OR sourcetype="*:smtp:json" OR sourcetype="postfix*")"#,
    ),
    armory(
        "get_email_data_malicious",
        &[],
        "what filters mail: Proofpoint, Mimecast, Cisco, Microsoft",
        r#"(sourcetype="pps_*" OR sourcetype="proofpoint*" OR sourcetype="mimecast*"
            OR sourcetype="cisco:esa*" OR sourcetype="ironport*" OR sourcetype="*email*threat*")"#,
    ),
    // What searches do with their rows
    armory(
        "add_fields_*",
        &[],
        "the columns that every search of the armory begins its table with",
        "_time, host, user",
    ),
    armory(
        "group_events",
        &["by", "span"],
        "as the searches that write it out have it: all values of a stretch of time and a key; and \
            how many events they are of, which the searches that call it go by",
        "| bin span=$span$ _time | stats values(*) as *, count as event_count by _time, $by$",
    ),
    armory("hec_collect", &[], "hands its rows on; nothing is written", "| collect"),
    armory(
        "add_enrichment_rule",
        &["id"],
        "adds what the platform knows of a rule; nothing here",
        "",
    ),
    armory("apply_al", &["id"], "what the user allows, which is nothing", "*"),
    armory(
        "fltr_bl_ip_address",
        &[],
        "a list of addresses, in the column `dest_ip` of the table `bl_ip_address`",
        "[| inputlookup bl_ip_address | fields dest_ip]",
    ),
    armory(
        "ut_shannon",
        &["text"],
        "Shannon's entropy in bits, as the app URL Toolbox has it",
        "eval ut_shannon=ut_shannon($text$)",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_macro_is_found_by_name_arguments_and_schema() {
        let mut environment = Environment::default();
        let own =
            |definition: &str| Macro { definition: definition.to_owned(), ..Macro::default() };
        environment.macros.insert("hec_collect".to_owned(), own("| own"));
        environment.macros.insert("x_filter".to_owned(), own("search a"));
        let cases = [
            (Schema::Splunk, "summariesonly", 0, Some("summariesonly=false")),
            (Schema::Anvilogic, "summariesonly", 0, Some("summariesonly=false")),
            (Schema::Splunk, "comment", 0, None),
            (Schema::Splunk, "x_filter", 0, Some("search a")),
            (Schema::Splunk, "y_filter", 0, Some("search *")),
            (Schema::Splunk, "_filter", 0, None),
            (Schema::Splunk, "cim_Web_indexes", 0, Some("()")),
            (Schema::Anvilogic, "add_fields_eoi", 0, Some("_time, host, user")),
            (Schema::Splunk, "add_fields_eoi", 0, None),
            (Schema::Anvilogic, "hec_collect", 0, Some("| own")),
            (Schema::Anvilogic, "group_events", 1, None),
        ];
        for (schema, name, arguments, expected) in cases {
            let found = find(&environment, schema, name, arguments);
            assert_eq!(found.map(|own| own.definition).as_deref(), expected, "{name}");
        }
    }
}
