//! Keys that are known by how they begin. Given `sk-ant-` and twenty letters or more: a key of a
//! provider, whatever stands around it.

use super::Kind;

/// What a key is made of, behind its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// Small hexadecimal digits.
    Hex,
    /// Capitals and digits.
    Capitals,
    /// Letters and digits.
    Letters,
    /// Letters, digits, `_` and `-`.
    Url,
    /// Letters, digits, `_`, `-`, `.`.
    Dotted,
    /// Letters, digits, `+`, `/`, `=`, `%`, `_`, `-`.
    Base64,
    /// Letters, digits, `/`, `_`, `-`.
    Path,
}

impl Made {
    pub(super) fn of(self, byte: u8) -> bool {
        match self {
            Self::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::Capitals => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Letters => byte.is_ascii_alphanumeric(),
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Self::Base64 => byte.is_ascii_alphanumeric() || b"+/=%_-".contains(&byte),
            Self::Path => byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-'),
        }
    }
}

/// One form of keys.
#[derive(Debug)]
pub(super) struct Format {
    pub(super) begin: &'static str,
    pub(super) made: Made,
    /// Bytes behind the beginning.
    pub(super) least: usize,
    pub(super) most: usize,
    pub(super) kind: Kind,
    /// The beginning is no part of the secret: `AccountKey=`.
    pub(super) is_lead: bool,
}

const fn provider(begin: &'static str, made: Made, least: usize, most: usize) -> Format {
    Format { begin, made, least, most, kind: Kind::ProviderKey, is_lead: false }
}

const fn cloud(begin: &'static str, made: Made, least: usize, most: usize) -> Format {
    Format { begin, made, least, most, kind: Kind::CloudKey, is_lead: false }
}

const fn behind(format: Format) -> Format {
    Format { is_lead: true, ..format }
}

/// Longer keys are cut nowhere: they are none of this form.
const LONG: usize = 4_096;

pub(super) const FORMATS: &[Format] = &[
    // Models.
    provider("sk-ant-", Made::Url, 20, LONG),
    provider("sk-proj-", Made::Url, 20, LONG),
    provider("sk-svcacct-", Made::Url, 20, LONG),
    provider("sk-admin-", Made::Url, 20, LONG),
    provider("sk-or-v1-", Made::Hex, 32, 128),
    provider("sk-lf-", Made::Url, 30, 64),
    provider("sk-", Made::Letters, 32, 128),
    provider("gsk_", Made::Letters, 40, 64),
    provider("xai-", Made::Letters, 60, 120),
    provider("pplx-", Made::Letters, 40, 64),
    provider("hf_", Made::Letters, 30, 40),
    provider("api_org_", Made::Letters, 30, 40),
    provider("r8_", Made::Letters, 37, 40),
    provider("nvapi-", Made::Url, 60, 80),
    provider("AIza", Made::Url, 35, 35),
    provider("GOCSPX-", Made::Url, 28, 28),
    provider("ya29.", Made::Dotted, 30, LONG),
    provider("lsv2_pt_", Made::Url, 32, 64),
    provider("lsv2_sk_", Made::Url, 32, 64),
    provider("tvly-", Made::Url, 28, 64),
    provider("pcsk_", Made::Url, 50, 128),
    provider("jina_", Made::Url, 50, 80),
    provider("csk-", Made::Letters, 40, 64),
    provider("rpa_", Made::Letters, 32, 64),
    provider("fc-", Made::Hex, 32, 32),
    provider("wandb_v1_", Made::Url, 30, 128),
    provider("1//0", Made::Url, 40, 128),
    provider("EAA", Made::Letters, 80, 512),
    // Payment and shops.
    provider("sq0atp-", Made::Url, 22, 22),
    provider("sk_live_", Made::Letters, 10, 256),
    provider("sk_test_", Made::Letters, 10, 256),
    provider("rk_live_", Made::Letters, 10, 256),
    provider("rk_test_", Made::Letters, 10, 256),
    provider("whsec_", Made::Base64, 20, 128),
    provider("shpat_", Made::Hex, 32, 32),
    provider("shpca_", Made::Hex, 32, 32),
    provider("shppa_", Made::Hex, 32, 32),
    provider("shpss_", Made::Hex, 32, 32),
    provider("sq0csp-", Made::Url, 43, 43),
    provider("EAAA", Made::Url, 60, 60),
    // Code and packages.
    provider("ghp_", Made::Letters, 30, 255),
    provider("gho_", Made::Letters, 30, 255),
    provider("ghu_", Made::Letters, 30, 255),
    provider("ghs_", Made::Letters, 30, 255),
    provider("ghr_", Made::Letters, 30, 255),
    provider("github_pat_", Made::Url, 22, 255),
    provider("glpat-", Made::Dotted, 20, 128),
    provider("gldt-", Made::Url, 20, 64),
    provider("glrt-", Made::Dotted, 20, 128),
    provider("glptt-", Made::Hex, 40, 40),
    provider("glcbt-", Made::Url, 20, 64),
    provider("glsoat-", Made::Url, 20, 64),
    provider("npm_", Made::Letters, 36, 36),
    provider("pypi-AgE", Made::Url, 50, LONG),
    provider("rubygems_", Made::Hex, 48, 48),
    provider("dckr_pat_", Made::Url, 20, 64),
    provider("dckr_oat_", Made::Url, 20, 64),
    provider("ATATT3", Made::Base64, 60, LONG),
    provider("AKCp", Made::Letters, 60, 80),
    provider("dapi", Made::Hex, 32, 34),
    // Messages and mail.
    provider("xoxb-", Made::Url, 20, 256),
    provider("xoxp-", Made::Url, 20, 256),
    provider("xoxa-", Made::Url, 20, 256),
    provider("xoxr-", Made::Url, 20, 256),
    provider("xoxs-", Made::Url, 20, 256),
    provider("xoxc-", Made::Url, 20, 256),
    provider("xoxd-", Made::Base64, 20, 512),
    provider("xoxe-", Made::Url, 20, 512),
    provider("xoxe.", Made::Dotted, 20, 512),
    provider("xapp-", Made::Url, 20, 256),
    behind(provider("hooks.slack.com/services/", Made::Path, 20, 128)),
    behind(provider("discord.com/api/webhooks/", Made::Path, 60, 160)),
    behind(provider("discordapp.com/api/webhooks/", Made::Path, 60, 160)),
    provider("SG.", Made::Dotted, 60, 80),
    provider("SK", Made::Hex, 32, 32),
    provider("key-", Made::Hex, 32, 32),
    provider("re_", Made::Url, 30, 40),
    provider("xkeysib-", Made::Url, 64, 96),
    // Platforms.
    provider("nfp_", Made::Letters, 36, 64),
    provider("cal_live_", Made::Hex, 32, 32),
    provider("phx_", Made::Url, 30, 128),
    provider("phs_", Made::Url, 30, 128),
    provider("dop_v1_", Made::Hex, 64, 64),
    provider("doo_v1_", Made::Hex, 64, 64),
    provider("dor_v1_", Made::Hex, 64, 64),
    provider("vcp_", Made::Letters, 24, 128),
    provider("vci_", Made::Letters, 24, 128),
    provider("vca_", Made::Letters, 24, 128),
    provider("vcr_", Made::Letters, 24, 128),
    provider("vck_", Made::Letters, 24, 128),
    provider("vercel_blob_rw_", Made::Url, 30, 128),
    provider("cfut_", Made::Url, 30, 128),
    provider("cfat_", Made::Url, 30, 128),
    provider("cfk_", Made::Url, 30, 128),
    provider("v1.0-", Made::Url, 150, 200),
    provider("lin_api_", Made::Letters, 32, 64),
    provider("lin_oauth_", Made::Letters, 32, 80),
    provider("ntn_", Made::Letters, 40, 64),
    provider("secret_", Made::Letters, 43, 43),
    provider("sbp_", Made::Hex, 40, 40),
    provider("sb_secret_", Made::Url, 20, 64),
    provider("sntrys_", Made::Base64, 40, 512),
    provider("sntryu_", Made::Hex, 64, 64),
    provider("pscale_tkn_", Made::Dotted, 32, 64),
    provider("pscale_pw_", Made::Dotted, 32, 64),
    provider("pscale_oauth_", Made::Dotted, 32, 64),
    provider("rnd_", Made::Letters, 28, 40),
    provider("fo1_", Made::Url, 40, 64),
    provider("fm2_", Made::Base64, 60, LONG),
    provider("glc_", Made::Base64, 32, 512),
    provider("glsa_", Made::Url, 40, 64),
    provider("NRAK-", Made::Capitals, 27, 27),
    provider("hvs.", Made::Url, 24, 256),
    provider("hvb.", Made::Url, 100, 512),
    provider("figd_", Made::Url, 38, 64),
    provider("PMAK-", Made::Url, 50, 64),
    provider("dp.pt.", Made::Letters, 40, 48),
    provider("dp.st.", Made::Dotted, 40, 64),
    provider("CFPAT-", Made::Url, 43, 43),
    provider("tskey-", Made::Url, 20, 128),
    provider("ops_eyJ", Made::Url, 100, LONG),
    provider("e2b_", Made::Hex, 40, 40),
    provider("AGE-SECRET-KEY-1", Made::Capitals, 58, 58),
    // Clouds.
    cloud("LTAI", Made::Letters, 16, 26),
    cloud("AKID", Made::Letters, 32, 40),
    cloud("AKIA", Made::Capitals, 16, 16),
    cloud("ASIA", Made::Capitals, 16, 16),
    cloud("ABIA", Made::Capitals, 16, 16),
    cloud("ACCA", Made::Capitals, 16, 16),
    behind(cloud("AccountKey=", Made::Base64, 40, 128)),
    behind(cloud("SharedAccessKey=", Made::Base64, 40, 128)),
    behind(cloud("SharedAccessSignature=", Made::Base64, 40, 512)),
    behind(cloud("?sig=", Made::Base64, 40, 128)),
    behind(cloud("&sig=", Made::Base64, 40, 128)),
];
