<?php
// Roundcube: whose mail, from where, and what it must not do.

// --- Mail: people of one domain, by ports of the mail service that are for the webmail alone

$config['imap_host'] = 'dovecot.mail:10143';
$config['imap_auth_type'] = 'PLAIN';
$config['imap_timeout'] = 30;
$config['smtp_host'] = 'postfix.mail:10588';
$config['smtp_auth_type'] = 'PLAIN';
$config['smtp_timeout'] = 30;
$config['smtp_helo_host'] = 'webmail.' . getenv('DOMAIN');
$config['managesieve_host'] = 'dovecot.mail:14191';
$config['managesieve_auth_type'] = 'PLAIN';
$config['managesieve_default'] = '';

// Whose addresses people have; the plugin `box` takes it from their names.
$config['mail_domain'] = getenv('DOMAIN');
$config['login_lc'] = 2;
$config['login_username_maxlen'] = 255;
$config['login_password_maxlen'] = 255;
// The box counts wrong passwords by visitor and person. Counted by person alone, a stranger could lock somebody out.
$config['login_rate_limit'] = 0;
$config['login_autocomplete'] = 2;

// --- Visitors: whoever asks is the box's Caddy, and the last address in its header is who asks it

unset($_SERVER['HTTP_X_REAL_IP']);
$config['proxy_whitelist'] = [$_SERVER['REMOTE_ADDR'] ?? ''];
$config['smtp_xclient_addr'] = true;
$config['use_https'] = true;
// In files, which a request holds to its end: in tables one takes away what another has just written, such as a message that
// was begun.
$config['session_storage'] = 'php';
$config['session_samesite'] = 'Lax';
// In minutes without a window that is open.
$config['session_lifetime'] = 60;
$config['des_key'] = file_get_contents('/var/cache/webmail/key');
$config['cipher_method'] = 'AES-256-GCM';
$config['log_logins'] = true;

// --- What is kept, and where

$config['db_dsnw'] = 'sqlite:////var/lib/webmail/roundcube.db?mode=0600';
$config['temp_dir'] = '/var/cache/webmail/files';
$config['temp_dir_ttl'] = '12h';
$config['log_driver'] = 'stdout';
$config['log_session_id'] = 0;
$config['smtp_log'] = false;

// --- Messages

// As attachments of 25 MB are on their way.
$config['max_message_size'] = '36M';
$config['max_recipients'] = 100;
$config['useragent'] = 'Webmail';
$config['zipdownload_selection'] = '50MB';
$config['zipdownload_charset'] = 'UTF-8';
$config['create_default_folders'] = false;
// Pictures that others have are not fetched unless a person wants them.
$config['show_images'] = 0;

// --- What people see

$config['product_name'] = 'Webmail';
$config['display_product_info'] = 0;
$config['support_url'] = '';
$config['skin'] = 'elastic';
$config['htmleditor'] = 0;
$config['enable_spellcheck'] = false;
$config['keyservers'] = [];
$config['plugins'] = ['box', 'archive', 'managesieve', 'markasjunk', 'zipdownload'];
// Where messages go that are junk is the mail service's business.
$config['markasjunk_learning_driver'] = null;
$config['dont_override'] = ['drafts_mbox', 'junk_mbox', 'sent_mbox', 'trash_mbox'];
