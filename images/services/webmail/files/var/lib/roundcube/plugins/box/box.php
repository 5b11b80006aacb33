<?php

/**
 * Who a visitor is, and where.
 */
class box extends rcube_plugin
{
    public function init()
    {
        $this->add_hook('authenticate', [$this, 'name']);
        $this->add_hook('storage_connect', [$this, 'tell_address']);
        if (rcmail::get_instance()->task === 'login') {
            $this->api->add_content('<p>The password is an app password of yours that opens Mail.</p>', 'loginfooter');
        }
    }

    /** `anna` and `anna@DOMAIN` are the same person, and stay so when the domain is another. */
    public function name($visitor)
    {
        $visitor['user'] = explode('@', $visitor['user'])[0];
        return $visitor;
    }

    /**
     * Wrong passwords count against the visitor and not against everybody who uses the webmail. ManageSieve is not told: only
     * a password that was right is tried there.
     */
    public function tell_address($options)
    {
        $address = rcube_utils::remote_addr();
        if (filter_var($address, FILTER_VALIDATE_IP)) {
            $options['preauth_ident'] = ['x-originating-ip' => $address];
        }
        return $options;
    }
}
